//! What a sight is shown by: acts, one after the other.
//!
//! Invariant: an act is one system call, and all that watchers see of it hangs on one answer to one request: whoever
//! knows whether that was answered knows what they have seen, whatever became of the caller. So a file is not opened,
//! changed and closed by three calls, which would end in the middle with a closed file that nobody has changed.

use super::figure::{Figure, Phantoms};
use super::order::Deed;
use crate::model::Kind;
use crate::sync::member::{Filling, Ino, Sight, Spot, Watched};
use std::collections::{BTreeSet, VecDeque};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Act {
    pub deed: Deed,
    pub at: Side,
    /// Where something moves to.
    pub to: Option<Side>,
}

/// A name that an act is about; none where the kernel cannot know its directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Side {
    pub spot: Option<Spot>,
    /// What is found there.
    pub figure: Option<Figure>,
}

/// What is left to do for a sight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub acts: VecDeque<Act>,
    /// A watched file's name and inode; what has the name now may be another one.
    pub old: Option<(Spot, Ino)>,
}

/// Finds out how to show a sight to those who watch.
pub(super) fn plan(sight: &Sight, is_watched: impl Fn(Ino) -> bool, phantoms: &Phantoms) -> Plan {
    let mut old = None;
    let acts = match sight {
        Sight::Made { spot, subject, content } => {
            let made = one(deed_of_making(subject.kind, *content), spot, None);
            let written = (*content == Filling::Some).then(|| phantoms.stand_in(subject, is_watched));
            [made].into_iter().chain(written.into_iter().flat_map(|figure| write(spot, figure))).collect()
        }
        Sight::Removed { spot, subject } => {
            let directory = subject.kind == Kind::Directory;
            let deed = if directory { Deed::RemoveDirectory } else { Deed::Remove };
            [one(deed, spot, Some(phantoms.stand_in(subject, is_watched)))].into()
        }
        Sight::Written { spots, subject } => {
            let ino = subject.ino.filter(|ino| is_watched(*ino));
            old = spots.first().cloned().zip(ino);
            let shown = shown_at(spots, ino.is_some(), &is_watched);
            let figures = figures(subject, phantoms.stand_in(subject, is_watched), phantoms);
            shown.into_iter().zip(figures).flat_map(|(spot, figure)| write(spot, figure)).collect()
        }
        Sight::Touched { spots, subject } => {
            let shown = shown_at(spots, subject.ino.is_some_and(&is_watched), &is_watched);
            // Attributes can be shown on the inode itself, whoever has it open.
            let figures = figures(subject, phantoms.stand_in(subject, |_| true), phantoms);
            shown
                .into_iter()
                .zip(figures)
                .map(|(spot, figure)| one(Deed::Touch, spot, Some(figure)))
                .collect()
        }
        Sight::Moved { from, to, subject, replaced, exchange } => {
            let figure = |watched| phantoms.stand_in(watched, &is_watched);
            let at = Side { spot: from.clone(), figure: Some(figure(subject)) };
            let to = Some(Side { spot: to.clone(), figure: replaced.as_ref().map(figure) });
            [Act { deed: if *exchange { Deed::Exchange } else { Deed::Move }, at, to }].into()
        }
    };
    Plan { acts, old }
}

fn one(deed: Deed, spot: &Spot, figure: Option<Figure>) -> Act {
    Act { deed, at: Side { spot: Some(spot.clone()), figure }, to: None }
}

/// A phantom may lose its content. An inode may not: it is changed first, then opened and closed.
fn write(spot: &Spot, figure: Figure) -> Vec<Act> {
    let deeds: &[Deed] = if figure.is_phantom() { &[Deed::Write] } else { &[Deed::Change, Deed::Close] };
    deeds.iter().map(|deed| one(*deed, spot, Some(figure))).collect()
}

/// What is found under the names of one file: who watches the file itself is to see it once.
fn figures(subject: &Watched, first: Figure, phantoms: &Phantoms) -> impl Iterator<Item = Figure> {
    std::iter::once(first).chain(std::iter::repeat_with(|| phantoms.next(subject.kind)))
}

fn deed_of_making(kind: Kind, content: Filling) -> Deed {
    match (kind, content) {
        (Kind::Directory, _) => Deed::MakeDirectory,
        (_, Filling::Empty) => Deed::MakeEmpty,
        // What has content is written, and closed, then.
        (_, Filling::None | Filling::Some) => Deed::MakeOther,
    }
}

/// The names under which a change of a file is shown: once in every directory that is watched. Who watches the file
/// itself sees it by any.
fn shown_at(spots: &[Spot], is_itself_watched: bool, is_watched: impl Fn(Ino) -> bool) -> Vec<&Spot> {
    let mut directories = BTreeSet::new();
    let in_watched =
        spots.iter().filter(|spot| is_watched(spot.directory) && directories.insert(spot.directory));
    let mut shown: Vec<&Spot> = in_watched.collect();
    if shown.is_empty() && is_itself_watched {
        shown.extend(spots.first());
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MemberNumber, Name, NodeId};

    fn spot(directory: u64, name: &str) -> Spot {
        Spot { directory: Ino(directory), name: Name::new(name.as_bytes()).unwrap() }
    }

    fn file(number: u64) -> Watched {
        let node = NodeId { member: MemberNumber(1), counter: number };
        Watched { node, ino: Some(Ino(number)), kind: Kind::File }
    }

    /// The deeds for a sight, with where each is done and on which inode; 0 for a phantom.
    fn deeds(sight: &Sight, watched: &[u64]) -> Vec<(Deed, u64, Option<u64>)> {
        let plan = plan(sight, |ino| watched.contains(&ino.0), &Phantoms::new());
        let real = |figure: Figure| if figure.is_phantom() { 0 } else { figure.number };
        let act = |act: Act| (act.deed, act.at.spot.unwrap().directory.0, act.at.figure.map(real));
        plan.acts.into_iter().map(act).collect()
    }

    #[test]
    fn what_is_new_is_made_by_one_call_and_filled_by_another() {
        let made =
            |kind, content| Sight::Made { spot: spot(1, "f"), subject: Watched { kind, ..file(9) }, content };
        assert_eq!(deeds(&made(Kind::File, Filling::Empty), &[1]), [(Deed::MakeEmpty, 1, None)]);
        assert_eq!(
            deeds(&made(Kind::File, Filling::Some), &[1]),
            [(Deed::MakeOther, 1, None), (Deed::Write, 1, Some(0))]
        );
        assert_eq!(deeds(&made(Kind::Special, Filling::None), &[1]), [(Deed::MakeOther, 1, None)]);
        assert_eq!(deeds(&made(Kind::Directory, Filling::None), &[1]), [(Deed::MakeDirectory, 1, None)]);
    }

    #[test]
    fn a_watched_file_is_never_opened_in_a_way_that_empties_it() {
        let written = Sight::Written { spots: vec![spot(1, "f")], subject: file(9) };
        assert_eq!(deeds(&written, &[1]), [(Deed::Write, 1, Some(0))]);
        let on_itself = [(Deed::Change, 1, Some(9)), (Deed::Close, 1, Some(9))];
        assert_eq!(deeds(&written, &[9]), on_itself);
        assert_eq!(deeds(&written, &[1, 9]), on_itself);
        assert_eq!(deeds(&written, &[]), []);
    }

    #[test]
    fn a_file_of_many_names_shows_once_in_each_watched_directory_and_once_itself() {
        let spots = vec![spot(1, "f"), spot(2, "g"), spot(2, "h"), spot(3, "i")];
        let written = Sight::Written { spots: spots.clone(), subject: file(9) };
        assert_eq!(deeds(&written, &[2, 3]), [(Deed::Write, 2, Some(0)), (Deed::Write, 3, Some(0))]);
        assert_eq!(
            deeds(&written, &[2, 3, 9]),
            [(Deed::Change, 2, Some(9)), (Deed::Close, 2, Some(9)), (Deed::Write, 3, Some(0))]
        );
        let touched = Sight::Touched { spots, subject: file(9) };
        assert_eq!(deeds(&touched, &[1, 3, 9]), [(Deed::Touch, 1, Some(9)), (Deed::Touch, 3, Some(0))]);
    }

    #[test]
    fn what_has_a_watched_files_name_now_may_be_another_one() {
        let written = |watched: &[u64]| {
            let sight = Sight::Written { spots: vec![spot(1, "f")], subject: file(9) };
            plan(&sight, |ino| watched.contains(&ino.0), &Phantoms::new()).old
        };
        assert_eq!(written(&[9]), Some((spot(1, "f"), Ino(9))));
        assert_eq!(written(&[1]), None);
    }

    #[test]
    fn only_what_is_watched_itself_goes_and_moves_as_itself() {
        let removed = Sight::Removed { spot: spot(1, "f"), subject: file(9) };
        assert_eq!(deeds(&removed, &[1]), [(Deed::Remove, 1, Some(0))]);
        assert_eq!(deeds(&removed, &[1, 9]), [(Deed::Remove, 1, Some(9))]);
        let (from, to) = (Some(spot(1, "f")), None);
        let moved = Sight::Moved { from, to, subject: file(9), replaced: Some(file(8)), exchange: false };
        let mut plan = plan(&moved, |ino| ino == Ino(8), &Phantoms::new());
        let Act { deed, at, to } = plan.acts.pop_front().unwrap();
        assert!(deed == Deed::Move && plan.acts.is_empty() && at.figure.unwrap().is_phantom());
        let replaced = Figure { number: 8, kind: Kind::File };
        assert_eq!(to, Some(Side { spot: None, figure: Some(replaced) }));
    }
}
