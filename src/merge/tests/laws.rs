//! What holds for every three versions, of any type and of none.

use proptest::prelude::*;

use crate::merge::{FileType, Labels, Outcome, Versions, marked_up, merge, patch};

const GIVEN: [Option<FileType>; 6] = [
    None,
    Some(FileType::Text),
    Some(FileType::Json),
    Some(FileType::Xml),
    Some(FileType::Binary),
    Some(FileType::Union),
];

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..60),
        "[ab\n\r]{0,40}".prop_map(String::into_bytes),
        r#"[{}\[\]",:01a \n\\]{0,40}"#.prop_map(String::into_bytes),
        r#"[<>/ab="& !?\[\];-]{0,40}"#.prop_map(String::into_bytes),
    ]
}

fn clean(given: Option<FileType>, base: &[u8], local: &[u8], remote: &[u8]) -> Option<Vec<u8>> {
    match merge(given, Versions { base: Some(base), local, remote }) {
        Outcome::Clean(bytes) => Some(bytes),
        Outcome::Conflict(_) => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_one_side_changed_or_both_alike_is_taken(base in any_bytes(), side in any_bytes()) {
        for given in GIVEN {
            for (local, remote) in [(&base, &side), (&side, &base), (&side, &side)] {
                prop_assert_eq!(clean(given, &base, local, remote), Some(side.clone()), "{:?}", given);
            }
        }
    }

    #[test]
    fn nothing_panics_and_no_marker_is_invented(
        base in proptest::option::of(any_bytes()), local in any_bytes(), remote in any_bytes()
    ) {
        let labels = Labels { base: "base", local: "local", remote: "remote" };
        for given in GIVEN {
            let versions = Versions { base: base.as_deref(), local: &local, remote: &remote };
            let outcome = merge(given, versions);
            prop_assert_eq!(&outcome, &merge(given, versions), "the same again");
            marked_up(given, versions, labels);
            let marker = b"|||||||".as_slice();
            if let Outcome::Clean(bytes) = outcome {
                prop_assert!(!bytes.windows(7).any(|window| window == marker));
            }
        }
        patch::unified("a", "b", &local, &remote);
    }

    #[test]
    fn lines_swap(base in "([a-d]\n){0,12}", local in "([a-d]\n){0,12}", remote in "([a-d]\n){0,12}") {
        let (base, local, remote) = (base.as_bytes(), local.as_bytes(), remote.as_bytes());
        prop_assert_eq!(clean(None, base, local, remote), clean(None, base, remote, local));
    }

    #[test]
    fn a_union_never_conflicts_and_keeps_every_new_line(
        base in "([a-d]\n){0,12}", local in "([a-f]\n){0,12}", remote in "([a-dgh]\n){0,12}"
    ) {
        let union = clean(Some(FileType::Union), base.as_bytes(), local.as_bytes(), remote.as_bytes());
        let union = String::from_utf8(union.expect("no conflict")).expect("text stays text");
        for new in ["e", "f", "g", "h"] {
            let count = |text: &str| text.lines().filter(|line| *line == new).count();
            prop_assert_eq!(count(&union), count(&local) + count(&remote), "{}", new);
        }
    }
}
