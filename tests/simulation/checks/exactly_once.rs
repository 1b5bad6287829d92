//! Each commit of a member is in the log once, and so is each op, whatever commit it went with.

use crate::failure::{Check, Checked, ensure};
use crate::hub::History;
use crate::telling;
use fl0wfs::wire::LogEntry;

/// Checks a new entry against all before it. An op is known by its stamp: what one op became in a replay goes together.
pub fn exactly_once(history: &History, entry: &LogEntry) -> Checked {
    let commit = (entry.member, entry.number);
    ensure(!history.numbers.contains(&commit), Check::ExactlyOnce, || {
        format!("commit {commit:?} is in the log twice, again at {}", entry.sequence)
    })?;
    for op in &entry.ops {
        let Some(key) = history.key_of(op) else { continue };
        let before = history.commits.get(&key);
        ensure(before.is_none(), Check::ExactlyOnce, || {
            format!(
                "an op of commit {before:?} is in the log again at {}: {}",
                entry.sequence,
                telling::op(op)
            )
        })?;
    }
    Ok(())
}
