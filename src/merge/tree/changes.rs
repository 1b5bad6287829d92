//! What changed from one tree to another, path by path.
//!
//! Invariant: applied in order, each change at the path it names then, the changes turn the old tree into the new
//! one. Where steps are numbers, ordered lists are gone through from the end, so that the numbers are the old ones.

use super::Grammar;
use super::align::align;
use super::node::{List, Node, Source};

/// A change at a path.
#[derive(Debug)]
pub struct Change<'a> {
    pub path: String,
    pub kind: Kind,
    /// The node before, unless it is new.
    pub old: Option<&'a Node>,
    /// The node after, unless it is gone.
    pub new: Option<&'a Node>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Added,
    Removed,
    Replaced,
}

/// The changes from `old` to `new`.
pub fn changes<'a>(grammar: &Grammar, old: &'a Source<'a>, new: &'a Source<'a>) -> Vec<Change<'a>> {
    let mut finder = Finder { grammar, path: String::new(), found: Vec::new() };
    finder.node(&old.root, &new.root);
    finder.found
}

struct Finder<'a, 'g> {
    grammar: &'g Grammar,
    path: String,
    found: Vec<Change<'a>>,
}

impl<'a> Finder<'a, '_> {
    fn change(&mut self, step: &str, old: Option<&'a Node>, new: Option<&'a Node>) {
        let kind = match (old, new) {
            (None, _) => Kind::Added,
            (_, None) => Kind::Removed,
            _ => Kind::Replaced,
        };
        self.found.push(Change { path: format!("{}{step}", self.path), kind, old, new });
    }

    fn node(&mut self, old: &'a Node, new: &'a Node) {
        if old.meaning == new.meaning {
            return;
        }
        if !new.has_shape_of(old) {
            return self.change("", Some(old), Some(new));
        }
        for (old, new) in old.lists.iter().zip(&new.lists) {
            if old.keyed { self.keyed(old, new) } else { self.ordered(old, new) }
        }
    }

    fn below(&mut self, step: &str, old: &'a Node, new: &'a Node) {
        let depth = self.path.len();
        self.path.push_str(step);
        self.node(old, new);
        self.path.truncate(depth);
    }

    fn keyed(&mut self, old: &'a List, new: &'a List) {
        let (in_old, in_new) = (old.by_key(), new.by_key());
        for (at, item) in old.items.iter().enumerate() {
            let step = (self.grammar.step)(old, at);
            match in_new.get(item.key.as_str()) {
                Some(became) => self.below(&step, &item.node, &new.items[*became].node),
                None => self.change(&step, Some(&item.node), None),
            }
        }
        for (at, item) in
            new.items.iter().enumerate().filter(|(_, item)| !in_old.contains_key(item.key.as_str()))
        {
            let step = (self.grammar.step)(new, at);
            self.change(&step, None, Some(&item.node));
        }
    }

    fn ordered(&mut self, old: &'a List, new: &'a List) {
        let mut visits = visits(old, new);
        if !self.grammar.numbered {
            visits.reverse();
        }
        for visit in visits {
            let old_step = |at| (self.grammar.step)(old, at);
            match visit {
                Visit::Pair(at, became) => {
                    self.below(&old_step(at), &old.items[at].node, &new.items[became].node)
                }
                Visit::Gone(at) => self.change(&old_step(at), Some(&old.items[at].node), None),
                Visit::New { before, at } => {
                    let step = match self.grammar.numbered {
                        true => old_step(before),
                        false => (self.grammar.step)(new, at),
                    };
                    self.change(&step, None, Some(&new.items[at].node));
                }
            }
        }
    }
}

/// What there is to say of an item of an ordered list, by its number in the old or the new one.
enum Visit {
    Pair(usize, usize),
    Gone(usize),
    New { before: usize, at: usize },
}

/// From the end of the lists to their beginning.
fn visits(old: &List, new: &List) -> Vec<Visit> {
    let aligned = align(old, new);
    let mut runs = aligned.runs.iter().rev().peekable();
    let mut visits = Vec::new();
    for before in (0..=old.items.len()).rev() {
        while let Some(run) = runs.next_if(|run| *run.before.end() == before) {
            visits.extend(run.items.clone().rev().map(|at| Visit::New { before, at }));
        }
        let Some(at) = before.checked_sub(1) else { break };
        visits.push(aligned.became[at].map_or(Visit::Gone(at), |became| Visit::Pair(at, became)));
    }
    visits
}
