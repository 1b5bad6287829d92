//! What may be evicted, as a table and as laws; and what is wanted under pins.

use super::*;
use proptest::prelude::*;

const CLEAN: Facts = Facts {
    has_file: true,
    unshared: false,
    dirty: false,
    embryo: false,
    brought: false,
    open: false,
    detached: false,
    pinned: false,
};

#[test]
fn only_what_the_hub_has_and_nobody_holds_may_go() {
    let cases = [
        (CLEAN, None),
        (Facts { has_file: false, ..CLEAN }, Some(Stays::Absent)),
        (Facts { unshared: true, ..CLEAN }, Some(Stays::Unshared)),
        (Facts { dirty: true, ..CLEAN }, Some(Stays::Unsent)),
        (Facts { embryo: true, ..CLEAN }, Some(Stays::Unsent)),
        (Facts { brought: true, ..CLEAN }, Some(Stays::Unsent)),
        (Facts { open: true, ..CLEAN }, Some(Stays::Open)),
        (Facts { detached: true, ..CLEAN }, Some(Stays::Open)),
        (Facts { pinned: true, ..CLEAN }, Some(Stays::Pinned)),
        (Facts { pinned: true, brought: true, open: true, ..CLEAN }, Some(Stays::Unsent)),
        (Facts { pinned: true, open: true, ..CLEAN }, Some(Stays::Open)),
        (Facts { unshared: true, dirty: true, ..CLEAN }, Some(Stays::Unshared)),
    ];
    for (facts, stays) in cases {
        assert_eq!(why_it_stays(&facts), stays, "{facts:?}");
    }
}

fn any_facts() -> impl Strategy<Value = Facts> {
    any::<[bool; 8]>().prop_map(|[has_file, unshared, dirty, embryo, brought, open, detached, pinned]| {
        Facts { has_file, unshared, dirty, embryo, brought, open, detached, pinned }
    })
}

proptest! {
    #[test]
    fn unsent_work_never_goes(facts in any_facts()) {
        if facts.dirty || facts.embryo || facts.brought || facts.unshared {
            prop_assert!(why_it_stays(&facts).is_some());
        }
    }

    #[test]
    fn one_more_reason_to_stay_never_lets_anything_go(facts in any_facts(), reason in 0..7usize) {
        let mut more = facts;
        let reasons = [
            &mut more.unshared, &mut more.dirty, &mut more.embryo, &mut more.brought, &mut more.open,
            &mut more.detached, &mut more.pinned,
        ];
        *reasons.into_iter().nth(reason).unwrap() = true;
        if why_it_stays(&facts).is_some() {
            prop_assert!(why_it_stays(&more).is_some());
        }
    }
}
