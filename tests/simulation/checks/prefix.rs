//! A member's tree is a prefix of the log and its own work on top, after every step.
//!
//! In three parts. For each commit, what the hub's tree shows of it is what the plain model says. At a member, the rows of
//! the base are those of the hub's tree at the member's position, by sums over rows that the simulated disks keep; and the
//! rows of the view are those of the base with the journal applied, where they differ at all. So each step costs as much as
//! the journal is long, however large the tree is.

use crate::disk::{Disk, row_sum};
use crate::failure::{Check, Checked, Failure, ensure};
use crate::hub::History;
use crate::member::{Member, SLOTS};
use crate::reference::{Reference, Thing};
use crate::telling;
use fl0wfs::model::{MemberNumber, Node, Timestamp};
use fl0wfs::ops::{Make, Op, Tree, TreeMut, Verb, apply};
use fl0wfs::sync::{Kv, Pair, RowTree, RowTreeMut, Txn};
use fl0wfs::wire::{LogEntry, decode};
use std::collections::BTreeMap;

/// Checks that what the hub's tree shows of the nodes and names of an entry is what the log says.
pub fn log_means_tree<K: Kv + ?Sized>(history: &History, entry: &LogEntry, tree: &RowTree<K>) -> Checked {
    let reference = &history.reference;
    let differ = |what: String| {
        let detail =
            format!("after entry {} the hub's tree differs from what the log says: {what}", entry.sequence);
        Err(Failure::new(Check::Prefix, detail))
    };
    for node in &history.entries.last().expect("an entry was noted").nodes {
        let (row, thing) = (tree.node(*node).map(Thing::from), reference.things.get(node));
        if row.as_ref() != thing {
            return differ(format!("{node} is {row:?}, and should be {thing:?}"));
        }
        for place in tree.places(*node) {
            let named = reference.names.get(&(place.parent, place.name.clone()));
            if named != Some(node) {
                return differ(format!("{place:?} leads to {node}, and should to {named:?}"));
            }
        }
    }
    Ok(())
}

/// Checks a member's rows as they are now.
pub fn prefix_and_own_work(member: &Member, history: &History) -> Checked {
    let slot = member.disk.get(b"Mslot").map_or(0, |value| value[0]);
    let base = Base::of(&member.disk, slot);
    base_is_prefix(member, history, &base)?;
    view_is_base_and_journal(member, &base)
}

/// A member's base: the view's rows, but for those that are kept beside it.
struct Base<'a> {
    disk: &'a Disk,
    view: &'static [u8],
    /// By the tree row's key; none is a row that the base lacks.
    kept: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Base<'_> {
    fn of(disk: &Disk, slot: u8) -> Base<'_> {
        let rows = disk.scan_prefix(&[b'B', slot]);
        let kept =
            rows.map(|(key, value)| (key[2..].to_vec(), decode("kept row", &value).expect("it decodes")));
        Base { disk, view: SLOTS[slot as usize], kept: kept.collect() }
    }

    fn view_row(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.disk.get(&[self.view, key].concat())
    }

    fn sum(&self) -> u128 {
        self.kept.iter().fold(self.disk.sum(self.view), |sum, (key, base)| {
            let part = |value: &Option<Vec<u8>>| value.as_ref().map_or(0, |value| row_sum(key, value));
            sum.wrapping_sub(part(&self.view_row(key))).wrapping_add(part(base))
        })
    }
}

impl Kv for Base<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        match self.kept.get(&key[2..]) {
            Some(kept) => kept.clone(),
            None => self.disk.get(key),
        }
    }

    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = Pair> + 'a> {
        let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = self.disk.scan(from, to).collect();
        for (key, value) in self.kept.range(from[2..].to_vec()..) {
            let key = [self.view, key].concat();
            if key.as_slice() >= to {
                break;
            }
            match value {
                Some(value) => rows.insert(key, value.clone()),
                None => rows.remove(&key),
            };
        }
        Box::new(rows.into_iter())
    }
}

fn base_is_prefix(member: &Member, history: &History, base: &Base) -> Checked {
    let position = member.replica.position();
    let expected = history.sum_at(position);
    let early = member.ledger.counted_early == Some(position);
    if early || expected == Some(base.sum()) {
        return Ok(());
    }
    let detail = match (expected, position.map(|position| position.sequence) == history.head()) {
        (None, _) => "it is in no log".to_owned(),
        (_, false) => "its rows are not those of that place in the log".to_owned(),
        (_, true) => {
            let tree = Reference::of_tree(&RowTree { kv: base, prefix: base.view });
            let difference = tree.difference(&history.reference);
            difference.unwrap_or_else(|| "rows differ that no path shows".to_owned())
        }
    };
    let place = position.map(|position| position.sequence);
    let detail = format!("the base of m{} at {place:?} is no prefix: {detail}", member.index);
    Err(Failure::new(Check::Prefix, detail))
}

fn view_is_base_and_journal(member: &Member, base: &Base) -> Checked {
    let embryos = embryos(member);
    let author = member.replica.identity().map_or(MemberNumber(0), |identity| identity.member);
    let mut txn = Txn::new(base);
    let mut tree = RowTreeMut { txn: &mut txn, prefix: base.view };
    let count = pending(member).count();
    for (at, mut op) in pending(member).chain(embryos.iter().cloned()).enumerate() {
        // A file that is not in the journal yet was made before what is there, and may have met what that removed.
        if let Verb::Make(Make { conflict, .. }) = &mut op.verb
            && at >= count
        {
            *conflict = conflict.take().filter(|conflict| tree.node(conflict.node).is_some());
        }
        match apply(&tree, author, &op) {
            Ok(changes) => tree.write(changes),
            Err(rejection) => {
                let detail = format!(
                    "an op of m{}'s journal does not apply: {rejection}: {}",
                    member.index,
                    telling::op(&op)
                );
                return Err(Failure::new(Check::Prefix, detail));
            }
        }
    }
    let writes = txn.into_batch();
    let written = writes.keys().map(|key| &key[2..]);
    for key in base.kept.keys().map(Vec::as_slice).chain(written) {
        let full = [base.view, key].concat();
        let replayed = writes.get(&full).cloned().unwrap_or_else(|| base.get(&full));
        let view = base.disk.get(&full);
        let same = replayed == view || (!embryos.is_empty() && same_but_mtime(&replayed, &view));
        ensure(same, Check::Prefix, || {
            let row = fl0wfs::wire::decode_row_key(key);
            let shown =
                |value: &Option<Vec<u8>>| value.as_ref().map(|value| decode::<Node>("node", value).ok());
            format!(
                "the view of m{} is not its base with its journal: row {row:?} is {:?}, and should be {:?}",
                member.index,
                shown(&view),
                shown(&replayed)
            )
        })?;
    }
    Ok(())
}

/// The ops that wait, in the order in which they are to be sent.
pub fn pending(member: &Member) -> impl Iterator<Item = Op> {
    let sealed = member.replica.sealed().map_or(Vec::new(), |sealed| sealed.commit.ops);
    sealed.into_iter().chain(member.replica.journal().map(|(_, op)| op))
}

/// Makes of files that have had no flush point; see the replica's keys.
fn embryos(member: &Member) -> Vec<Op> {
    let rows = member.disk.scan_prefix(b"E");
    let made = rows.map(|(_, value)| {
        let (time, make): (Timestamp, Make) = decode("embryo", &value).expect("it decodes");
        Op { time, verb: Verb::Make(make) }
    });
    made.collect()
}

/// When a file that is not in the journal yet was made among other things, its directory's mtime is not told by it.
fn same_but_mtime(one: &Option<Vec<u8>>, other: &Option<Vec<u8>>) -> bool {
    let directory = |value: &Option<Vec<u8>>| {
        let node: Node = decode("node row", value.as_ref()?).ok()?;
        node.is_directory().then_some(Node { mtime: Timestamp::default(), ..node })
    };
    let (one, other) = (directory(one), directory(other));
    one.is_some() && one == other
}
