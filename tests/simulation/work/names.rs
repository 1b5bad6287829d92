//! Work on names and attributes.

use super::Worker;
use fl0wfs::model::{Body, NodeId, Owner, Place, Special, Xattrs};
use fl0wfs::ops::{Link, Move, Replaced, SetMeta, Tree, Verb};
use fl0wfs::sync::member::Makings;

impl Worker<'_> {
    fn make(&mut self, body: Body, mode: u16) -> bool {
        self.settle_closed();
        let place = self.place();
        let stamp = self.member.stamp(self.now);
        self.member.ledger.intend(1);
        let makings = Makings { body, mode, owner: Some(Owner::default()), xattrs: Xattrs::new() };
        let made = self.member.replica.make(stamp, place, makings);
        made.map(|(_, effects)| self.member.follow(effects)).is_ok()
    }

    pub(super) fn make_directory(&mut self) -> Option<&'static str> {
        self.make(Body::Directory, 0o755).then_some("makes a directory")
    }

    pub(super) fn make_symlink(&mut self) -> Option<&'static str> {
        let target = if self.chance.one_in(2) { "target" } else { "other" };
        self.make(Body::Symlink(target.into()), 0o777).then_some("makes a symlink")
    }

    pub(super) fn make_special(&mut self) -> Option<&'static str> {
        let special = if self.chance.one_in(2) { Special::Fifo } else { Special::Socket };
        self.make(Body::Special(special), 0o600).then_some("makes a special file")
    }

    pub(super) fn drop_one(&mut self) -> Option<&'static str> {
        let found = self.existing().filter(|found| !self.is_directory(found.node))?;
        self.drop_name(found).then_some("unlinks")
    }

    pub(super) fn remove_directory(&mut self) -> Option<&'static str> {
        let found = self.existing().filter(|found| self.is_directory(found.node))?;
        self.drop_name(found).then_some("removes a directory")
    }

    pub(super) fn rename(&mut self) -> Option<&'static str> {
        let found = self.existing()?;
        let to = self.place();
        let over = self.under(&to).is_some();
        self.step(found.node, found.place, to, false)?;
        Some(if over { "renames over something" } else { "renames" })
    }

    pub(super) fn exchange(&mut self) -> Option<&'static str> {
        let (found, other) = (self.existing()?, self.existing()?);
        self.step(found.node, found.place, other.place, true)?;
        Some("exchanges two names")
    }

    fn step(&mut self, node: NodeId, from: Place, to: Place, exchange: bool) -> Option<()> {
        let under = self.under(&to);
        if under == Some(node) {
            return None;
        }
        self.settle_closed();
        self.settle(node)?;
        if let Some(under) = under {
            if exchange { self.settle(under) } else { self.settle_embryo(under) }?;
        }
        let version = |id: NodeId| self.member.replica.view().node(id).map(|row| row.version);
        let replaces = under.and_then(|node| Some(Replaced { node, version: version(node)? }));
        let step = Move { node, from, to, replaces, exchange, keeps_owner: false };
        self.member.submit(self.now, Verb::Move(step)).then_some(())
    }

    pub(super) fn link(&mut self) -> Option<&'static str> {
        let found = self.existing()?;
        self.settle_closed();
        self.settle(found.node)?;
        let place = self.place();
        self.member.submit(self.now, Verb::Link(Link { node: found.node, place })).then_some("links")
    }

    pub(super) fn set_meta(&mut self) -> Option<&'static str> {
        let found = self.existing()?;
        let mode = self.chance.one_in(2).then(|| 0o600 + self.chance.below(64) as u16);
        let uid = self.chance.one_in(4).then(|| self.chance.below(3) as u32);
        let mtime = self.chance.one_in(2).then(|| self.member.stamp(self.now));
        let set = SetMeta { node: found.node, mode, uid, gid: None, mtime, xattrs: Vec::new() };
        self.submit_meta(set).then_some("sets attributes")
    }

    pub(super) fn set_xattr(&mut self) -> Option<&'static str> {
        let found = self.existing()?;
        let name = if self.chance.one_in(2) { "user.a" } else { "user.b" };
        let value = (!self.chance.one_in(4)).then(|| vec![self.chance.below(4) as u8]);
        let xattrs = vec![(name.into(), value)];
        let set = SetMeta { node: found.node, mode: None, uid: None, gid: None, mtime: None, xattrs };
        self.submit_meta(set).then_some("sets an extended attribute")
    }

    fn submit_meta(&mut self, set: SetMeta) -> bool {
        if !self.member.replica.is_embryo(set.node) {
            self.settle_closed();
        }
        self.member.submit(self.now, Verb::SetMeta(set))
    }
}
