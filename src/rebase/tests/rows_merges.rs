//! Rows of the conflict table where a rule joins the contents of both sides.

use super::rows::{meet, open, row};
use super::space::{BITS, Member, Space, listing, version};
use crate::model::{MemberNumber, Version};
use crate::ops::{Merged, Origin, Verb};

const ANN: MemberNumber = MemberNumber(1);

fn bits(set: u64) -> u64 {
    BITS + set
}

fn file(member: &mut Member) {
    member.write("a", bits(1));
}

fn joined(set: u64) -> String {
    format!("a={}", bits(set))
}

#[test]
fn puts_that_change_different_things_are_joined() {
    let both = joined(0b111);
    row(file, |ann| ann.write("a", bits(0b011)), |bob| bob.write("a", bits(0b101)), &both, &both);
    let met = meet(file, |ann| ann.write("a", bits(0b011)), |bob| bob.write("a", bits(0b101)), ANN);
    assert!(open(&met.space.head).is_empty() && met.conflicts.is_empty());
    let Verb::Put(put) = &met.space.log[2].1[0].verb else { panic!("the join is a put") };
    assert_eq!(
        put.came_from,
        Some(Origin::Merged(Merged { base: Version(1), local: Version(2), remote: Version(2) })),
        "it says what went in"
    );
    assert_eq!(version(&met.space.head, met.ann.at("a")), Version(3), "it is the next version");
}

#[test]
fn puts_that_change_the_same_thing_are_kept_both() {
    let (one, other) = (bits(0b011), bits(0b111));
    row(
        file,
        |ann| ann.write("a", bits(0b011)),
        |bob| bob.write("a", bits(0b111)),
        &format!("a={one}; a (conflict bob)={other} | PutPut"),
        &format!("a={other}; a (conflict ann)={one} | PutPut"),
    );
}

#[test]
fn what_was_put_on_a_joined_content_is_joined_again() {
    let met = meet(
        file,
        |ann| ann.write("a", bits(0b0011)),
        |bob| [0b0101, 0b1101, 0b1100].into_iter().for_each(|set| bob.write("a", bits(set))),
        ANN,
    );
    assert_eq!(listing(&met.space.head)["a"], Some(bits(0b1110)), "what bob took away again stays away");
    assert!(open(&met.space.head).is_empty());
}

#[test]
fn saves_by_rename_and_by_backup_are_joined() {
    let anns: [fn(&mut Member); 3] = [
        |ann| ann.save_by_rename("a", bits(0b011)),
        |ann| ann.save_by_backup("a", bits(0b011)),
        |ann| ann.write("a", bits(0b011)),
    ];
    let bobs: [fn(&mut Member); 3] = [
        |bob| bob.save_by_rename("a", bits(0b101)),
        |bob| bob.save_by_backup("a", bits(0b101)),
        |bob| bob.write("a", bits(0b101)),
    ];
    for (ann, bob) in anns.into_iter().flat_map(|ann| bobs.map(|bob| (ann, bob))) {
        let met = meet(file, ann, bob, ANN);
        assert_eq!(listing(&met.space.head), [("a".to_owned(), Some(bits(0b111)))].into());
        assert!(open(&met.space.head).is_empty());
        assert_eq!(met.ann.at("a").counter, 1, "the file is still the same node");
    }
}

#[test]
fn a_joined_content_follows_a_rename() {
    let met = meet(
        file,
        |ann| {
            ann.mv("a", "b");
            ann.write("b", bits(0b011));
        },
        |bob| bob.write("a", bits(0b101)),
        ANN,
    );
    assert_eq!(listing(&met.space.head), [("b".to_owned(), Some(bits(0b111)))].into());
}

#[test]
fn a_joined_content_that_was_not_sent_is_joined_with_what_comes_next() {
    let (mut space, mut ann, mut bob) = (Space::default(), Member::new(1), Member::new(2));
    file(&mut ann);
    ann.sync(&mut space);
    bob.sync(&mut space);
    ann.write("a", bits(0b0011));
    ann.sync(&mut space);
    bob.write("a", bits(0b0101));
    bob.pull(&space);
    ann.write("a", bits(0b1011));
    ann.sync(&mut space);
    bob.sync(&mut space);
    ann.sync(&mut space);
    assert_eq!(listing(&space.head), [("a".to_owned(), Some(bits(0b1111)))].into());
    assert_eq!(listing(&ann.view), listing(&bob.view));
}

#[test]
fn a_file_that_one_side_edits_and_removes_stays_where_the_other_edits_it() {
    let met = meet(
        file,
        |ann| ann.write("a", bits(0b011)),
        |bob| {
            bob.write("a", bits(0b101));
            bob.rm("a");
        },
        ANN,
    );
    assert_eq!(listing(&met.space.head)["a"], Some(bits(0b111)));
    assert_eq!(open(&met.space.head), ["DropPut a"]);
}
