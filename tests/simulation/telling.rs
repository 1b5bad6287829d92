//! Ops told in a line, for traces and failures.

use crate::hub::History;
use fl0wfs::model::{Body, Conflict, Manifest, NodeId, Place};
use fl0wfs::ops::{Op, Verb};
use fl0wfs::sync::member::content_of;

pub fn op(op: &Op) -> String {
    format!("[{}] {}", op.time.nanos, verb(&op.verb))
}

pub fn ops<'o>(all: impl IntoIterator<Item = &'o Op>) -> String {
    all.into_iter().map(|told| format!("\n              {}", op(told))).collect()
}

pub fn content(manifest: &Manifest) -> String {
    let digest = content_of(manifest).0;
    format!("{:02x}{:02x}{:02x}({})", digest[0], digest[1], digest[2], manifest.length)
}

fn place(place: &Place) -> String {
    format!("{}/{}", place.parent, place.name)
}

fn body(body: &Body) -> String {
    match body {
        Body::File(manifest) => format!("file {}", content(manifest)),
        Body::Directory => "directory".into(),
        Body::Symlink(_) => "symlink".into(),
        Body::Special(_) => "special file".into(),
    }
}

fn conflict(conflict: Option<&Conflict>) -> String {
    conflict.map_or(String::new(), |conflict| {
        let Conflict { node, member, kind, base, remote, .. } = conflict;
        format!(
            " conflict {kind:?} of {node} by {} base {:?} remote {}",
            member.0,
            base.map(|base| base.0),
            remote.0
        )
    })
}

fn verb(verb: &Verb) -> String {
    match verb {
        Verb::Make(make) => {
            format!(
                "make {} {} at {}{}",
                make.node,
                body(&make.body),
                place(&make.place),
                conflict(make.conflict.as_ref())
            )
        }
        Verb::Put(put) => {
            let origin = put.came_from.map_or(String::new(), |origin| format!(" {origin:?}"));
            let conflict = conflict(put.conflict.as_ref());
            format!("put {} on version {} {}{origin}{conflict}", put.node, put.base.0, content(&put.manifest))
        }
        Verb::SetMeta(set) => format!("set {} mode {:?} mtime {}", set.node, set.mode, set.mtime.is_some()),
        Verb::Link(link) => format!("link {} at {}", link.node, place(&link.place)),
        Verb::Move(step) => {
            let how = if step.exchange { "exchange" } else { "move" };
            let over = step.replaces.map(|over| (over.node, over.version.0));
            format!("{how} {} from {} to {} over {over:?}", step.node, place(&step.from), place(&step.to))
        }
        Verb::Drop(drop) => {
            format!("drop {} at {} version {}", drop.node, place(&drop.place), drop.version.0)
        }
        Verb::Settle { node, member } => format!("settle {node} by {}", member.0),
        Verb::Record(record) => format!("record{}", conflict(Some(record))),
    }
}

/// The entries about a node, for a failure.
pub fn about(history: &History, node: NodeId) -> String {
    let entries = history.entries.iter().enumerate().filter(|(_, noted)| noted.nodes.contains(&node));
    entries.map(|(sequence, noted)| format!(" {sequence} by {}", noted.member.0)).collect()
}
