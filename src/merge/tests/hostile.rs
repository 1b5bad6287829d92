//! Input made to take long, to go deep, or to be too much.

use crate::merge::{MERGE_BYTES_MAX, Outcome, Unclean, Versions, merge, patch};

fn outcome(base: &[u8], local: &[u8], remote: &[u8]) -> Outcome {
    merge(None, Versions { base: Some(base), local, remote })
}

/// Lines by a rule, as many as asked for.
fn lines(count: usize, line: impl Fn(usize) -> usize) -> Vec<u8> {
    (0..count).map(|at| format!("{}\n", line(at))).collect::<String>().into_bytes()
}

#[test]
fn two_kinds_of_lines_in_great_number_take_no_quadratic_time() {
    let random = |seed: usize| lines(400_000, move |at| ((at * 2_654_435_761 * seed) >> 13) & 1);
    assert!(matches!(outcome(&random(1), &random(7), &random(13)), Outcome::Conflict(_)));
}

#[test]
fn every_other_line_changed_takes_no_quadratic_time() {
    let base = lines(300_000, |at| at);
    let local = lines(300_000, |at| if at % 4 == 0 { at + 1_000_000 } else { at });
    let remote = lines(300_000, |at| if at % 4 == 2 { at + 2_000_000 } else { at });
    let expected = lines(300_000, |at| match at % 4 {
        0 => at + 1_000_000,
        2 => at + 2_000_000,
        _ => at,
    });
    assert_eq!(outcome(&base, &local, &remote), Outcome::Clean(expected));
}

/// Runs on the small stack of a test.
#[test]
fn lines_in_reverse_need_little_stack() {
    for count in [3_999, 200_000] {
        let (base, local) = (lines(count, |at| at), lines(count, |at| count - at));
        let remote = lines(count, |at| if at % 2 == 0 { at } else { count + at });
        assert!(matches!(outcome(&base, &local, &remote), Outcome::Conflict(_)));
    }
}

#[test]
fn what_is_too_large_is_a_conflict_unless_one_side_changed_it() {
    let bytes = MERGE_BYTES_MAX as usize + 1;
    let [base, local, remote] = [b'a', b'b', b'c'].map(|byte| vec![byte; bytes]);
    let too_large = Unclean::TooLarge { bytes: bytes as u64, bytes_max: MERGE_BYTES_MAX };
    assert_eq!(outcome(&base, &local, &remote), Outcome::Conflict(too_large));
    assert_eq!(outcome(&base, &local, &base), Outcome::Clean(local));
}

#[test]
fn documents_with_many_items_take_no_quadratic_time() {
    let list = |from: usize, times: usize| {
        (0..50_000).map(|at| ((at * times + from) % 50_003).to_string()).collect::<Vec<_>>()
    };
    let arrays =
        [(0, 1), (5, 1), (0, 50_002)].map(|(from, times)| format!("[{}]", list(from, times).join(",")));
    let objects = ["a", "b", "c"].map(|side| {
        let members = (0..25_000).map(|at| format!("\"{at}\":1,\"{side}{at}\":2")).collect::<Vec<_>>();
        format!("{{{}}}", members.join(","))
    });
    let cells = [3, 5, 7].map(|every| {
        let cells = (0..50_000).map(|at| if at % every == 0 { "1" } else { "0" }).collect::<Vec<_>>();
        format!("[{}]", cells.join(","))
    });
    let elements = ["1", "2", "3"].map(|x| {
        let elements = (0..20_000).map(|at| format!("<e x='{}'/>", if at % 2 == 0 { x } else { "0" }));
        format!("<l>{}</l>", elements.collect::<String>())
    });
    for [base, local, remote] in [arrays, objects, cells, elements] {
        outcome(base.as_bytes(), local.as_bytes(), remote.as_bytes());
        patch::json_patch(local.as_bytes(), remote.as_bytes());
        patch::xml_changes(local.as_bytes(), remote.as_bytes());
    }
}
