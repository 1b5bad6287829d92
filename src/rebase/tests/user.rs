//! What a user does on a member's mount, as paths: each becomes the ops that the mount would make of it.

use super::space::{Member, body, content, number, version};
use crate::model::{Body, Name, NodeId, Place, Timestamp, Xattrs};
use crate::ops::{Drop, Link, Make, Move, Put, Replaced, SetMeta, Tree, Verb};

impl Member {
    /// The node at a path of the view.
    pub fn find(&self, path: &str) -> Option<NodeId> {
        let names = path.split('/').filter(|name| !name.is_empty());
        names.into_iter().try_fold(NodeId::ROOT, |at, name| self.view.child(at, &Name::new(name).unwrap()))
    }

    pub fn at(&self, path: &str) -> NodeId {
        self.find(path).unwrap_or_else(|| panic!("{path} is not there"))
    }

    fn place(&self, path: &str) -> Place {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        Place { parent: self.at(directory), name: Name::new(name).unwrap() }
    }

    pub fn make(&mut self, path: &str, body: Body) {
        let node = self.allocate();
        self.make_at(node, self.place(path), body);
    }

    pub fn make_at(&mut self, node: NodeId, place: Place, body: Body) {
        let mtime = Timestamp::default();
        self.act(Verb::Make(Make {
            node,
            place,
            body,
            mode: 0o644,
            owner: None,
            mtime,
            xattrs: Xattrs::new(),
            came_from: None,
            conflict: None,
        }));
    }

    pub fn mkdir(&mut self, path: &str) {
        self.make(path, Body::Directory);
    }

    pub fn symlink(&mut self, path: &str, target: &str) {
        self.make(path, Body::Symlink(target.into()));
    }

    /// Makes the file, or gives it its next content.
    pub fn write(&mut self, path: &str, new: u64) {
        match self.find(path) {
            None => self.make(path, Body::File(content(new))),
            Some(node) => self.put(node, new),
        }
    }

    pub fn put(&mut self, node: NodeId, new: u64) {
        self.supersede(node, Some(new));
        self.act(Verb::Put(Put {
            node,
            base: version(&self.view, node),
            manifest: content(new),
            mtime: Timestamp::default(),
            attributes: None,
            came_from: None,
            conflict: None,
        }));
    }

    /// The user saw what is there, and wants something else instead.
    pub fn supersede(&mut self, node: NodeId, by: Option<u64>) {
        if let Body::File(manifest) = body(&self.view, node) {
            self.superseded.extend(Some(number(&manifest)).filter(|old| Some(*old) != by));
        }
    }

    pub fn rm(&mut self, path: &str) {
        let (node, place) = (self.at(path), self.place(path));
        self.drop_at(node, place);
    }

    pub fn drop_at(&mut self, node: NodeId, place: Place) {
        self.supersede(node, None);
        let version = version(&self.view, node);
        self.act(Verb::Drop(Drop { node, place, version }));
    }

    pub fn mv(&mut self, from: &str, to: &str) {
        let (from, to) = (self.place(from), self.place(to));
        self.rename(from, to, false);
    }

    pub fn exchange(&mut self, one: &str, other: &str) {
        let (from, to) = (self.place(one), self.place(other));
        self.rename(from, to, true);
    }

    pub fn rename(&mut self, from: Place, to: Place, exchange: bool) {
        let node = self.view.child(from.parent, &from.name).unwrap();
        let there = self.view.child(to.parent, &to.name);
        if let (Some(there), false) = (there, exchange) {
            let moved =
                if let Body::File(moved) = body(&self.view, node) { Some(number(&moved)) } else { None };
            self.supersede(there, moved);
        }
        let replaces = there.map(|there| Replaced { node: there, version: version(&self.view, there) });
        self.act(Verb::Move(Move { node, from, to, replaces, exchange, keeps_owner: false }));
    }

    pub fn ln(&mut self, path: &str, new: &str) {
        let (node, place) = (self.at(path), self.place(new));
        self.act(Verb::Link(Link { node, place }));
    }

    pub fn chmod(&mut self, path: &str, mode: u16) {
        let node = self.at(path);
        self.set(node, Some(mode), None, Vec::new());
    }

    pub fn set(
        &mut self,
        node: NodeId,
        mode: Option<u16>,
        mtime: Option<i64>,
        xattrs: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    ) {
        let mtime = mtime.map(|seconds| Timestamp { seconds, nanos: 0 });
        self.act(Verb::SetMeta(SetMeta { node, mode, uid: None, gid: None, mtime, xattrs }));
    }

    /// A save as vim makes it: aside, anew, gone.
    pub fn save_by_backup(&mut self, path: &str, new: u64) {
        let aside = format!("{path}~");
        self.mv(path, &aside);
        self.make(path, Body::File(content(new)));
        self.rm(&aside);
    }

    /// A save by renaming a new file over the old one.
    pub fn save_by_rename(&mut self, path: &str, new: u64) {
        let beside = format!("{path}.new");
        self.make(&beside, Body::File(content(new)));
        self.mv(&beside, path);
    }
}
