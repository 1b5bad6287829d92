//! Queues, journal, spool and files stay bounded, and are empty when nothing is left to do.

use crate::failure::{Check, Checked, ensure};
use crate::member::Member;

/// Ops that one local operation may have come to by replays, at most.
const OPS_PER_OPERATION: u64 = 4;
/// Directories that come back, and records, whatever the journal holds.
const OPS_BESIDE: u64 = 24;
/// Rows of the replica that are there only while something is to be done; see its keys.
const PASSING_ROWS: [(&[u8], &str); 7] = [
    (b"J", "a pending op"),
    (b"Q", "a pending op's node"),
    (b"C", "a sealed commit"),
    (b"E", "a file without a flush point"),
    (b"D", "content to capture"),
    (b"W", "content to fetch"),
    (b"B", "a kept row"),
];
/// Of these a parked op may keep its content.
const CONTENT_ROWS: [(&[u8], &str); 4] = [
    (b"K", "a pending op's content"),
    (b"S", "spooled content"),
    (b"R", "a held file"),
    (b"P", "a parked op"),
];

/// Checks a member's journal in the midst of its work.
pub fn bounded(member: &mut Member) -> Checked {
    let pending = member.replica.pending().ops;
    let index = member.index;
    if pending == 0 && !member.has_rows(b"E") {
        member.ledger.intents = 0;
    }
    let intents = member.ledger.intents;
    ensure(pending <= OPS_PER_OPERATION * intents + OPS_BESIDE, Check::Bounded, || {
        format!("m{index} has {pending} pending ops after {intents} operations")
    })
}

/// Checks that entries are held back only for a commit in flight, and while the past is told.
pub fn nothing_held_back(member: &Member) -> Checked {
    let waiting = member.entries_waiting();
    let gathers = || member.replica.sealed().is_some() || !member.replica.is_beyond_welcome();
    ensure(waiting == 0 || gathers(), Check::Bounded, || {
        format!("m{} holds {waiting} entries back for nothing", member.index)
    })
}

/// Checks that nothing remains of what was done. A hub that went back, or the loss of power, may have taken a content with
/// it that an op of a member needs: that op is parked.
pub fn nothing_left_over(member: &Member, hub_went_back: bool) -> Checked {
    let may_be_parked = (hub_went_back || member.ledger.power_was_lost) && member.has_rows(b"P");
    let contents = CONTENT_ROWS.into_iter().filter(|_| !may_be_parked);
    for (prefix, what) in PASSING_ROWS.into_iter().chain(contents) {
        ensure(!member.has_rows(prefix), Check::Bounded, || {
            format!("m{} has still {what} when nothing is left to do", member.index)
        })?;
    }
    // What could not be noted for want of room is cleared up by the next start.
    if member.disk.was_full() {
        return Ok(());
    }
    ensure(!member.has_rows(b"T"), Check::Bounded, || {
        format!("m{} has still an inode cut off when nothing is left to do", member.index)
    })?;
    let named: Vec<u64> = member.replica.backing_files().collect();
    let nameless = member.disk.files().into_iter().find(|file| !named.contains(file));
    ensure(nameless.is_none(), Check::Bounded, || {
        format!("m{} has a backing file {nameless:?} that no row names", member.index)
    })
}
