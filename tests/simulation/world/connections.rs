//! Connections between members and hub: delayed, cut in the middle, half open; and whose turn brings what.

use super::World;
use super::transfers::Transfer;
use crate::failure::Checked;
use crate::hub::{Down, Up, hello_of};
use crate::link::Link;
use crate::telling;
use fl0wfs::wire::{Answer, FromHub, FromMember, Start};

/// How long a message takes, in steps, at most.
const DELAY_MAX: usize = 12;
const SLOW_DELAY_MAX: usize = 60;

pub struct Connection {
    pub member: usize,
    up: Link<Up>,
    pub(super) down: Link<FromHub>,
    /// The member has let go of its end; what it said before may still arrive.
    member_gone: bool,
    /// The hub has; the member finds out when it has read what had been said.
    hub_gone: bool,
    pub transfers: Vec<(u64, Transfer)>,
}

impl Connection {
    pub fn is_over(&self) -> bool {
        self.member_gone || self.hub_gone
    }
}

impl World {
    pub(super) fn delay(&mut self, at: usize) -> u64 {
        let most = if self.plan.slow[at] { SLOW_DELAY_MAX } else { DELAY_MAX };
        self.now + self.chance.below(most) as u64
    }

    fn connect(&mut self, at: usize) {
        self.connections_begun += 1;
        let id = self.connections_begun;
        let hello = hello_of(&mut self.members[at]);
        let mut connection = Connection {
            member: at,
            up: Link::default(),
            down: Link::default(),
            member_gone: false,
            hub_gone: false,
            transfers: Vec::new(),
        };
        connection.up.send(self.delay(at), hello);
        self.connections.insert(id, connection);
        self.ports[at].connection = Some(id);
        self.ports[at].waits_until = None;
        self.say(|_| format!("m{at} connects"));
    }

    /// The member's side of its connection ends: some of what it has said still arrives, what it was told does not.
    pub(super) fn disconnect(&mut self, at: usize) {
        self.members[at].disconnected();
        let port = &mut self.ports[at];
        port.retry_at = self.now + self.chance.below(20) as u64;
        let Some(id) = port.connection.take() else { return };
        let arrives = self.now + self.chance.below(DELAY_MAX) as u64;
        if let Some(connection) = self.connections.get_mut(&id) {
            let arriving = self.chance.below(connection.up.len() + 1);
            connection.up.cut_after(arriving);
            connection.up.send(arrives, Up::Left);
            connection.member_gone = true;
            connection.transfers.clear();
        }
        self.say(|_| format!("m{at} is disconnected"));
    }

    /// The hub's process has died: of what it said some still arrives, then connections end.
    pub(super) fn lose_hub_connections(&mut self) {
        for connection in self.connections.values_mut() {
            let arriving = self.chance.below(connection.down.len() + 1);
            connection.down.cut_after(arriving);
            connection.up.cut_after(0);
            connection.hub_gone = true;
            connection.transfers.clear();
        }
        self.connections.retain(|_, connection| !connection.member_gone);
    }

    /// The hub takes what has come, from each connection one message.
    pub(super) fn hub_turn(&mut self) -> Checked {
        let ids: Vec<u64> = self.connections.keys().copied().collect();
        for id in ids {
            let Some(connection) = self.connections.get_mut(&id).filter(|connection| !connection.hub_gone)
            else {
                continue;
            };
            let at = connection.member;
            if self.ports[at].partitioned {
                continue;
            }
            if let Some(up) = connection.up.receive(self.now) {
                let over = matches!(up, Up::Left);
                self.trace_up(at, &up);
                let down = self.hub.take((id, at), up, self.now, &mut self.chance)?;
                self.send_down(down);
                if over {
                    self.connections.remove(&id);
                }
            }
        }
        Ok(())
    }

    fn trace_up(&self, at: usize, up: &Up) {
        self.say(|_| match up {
            Up::Said(FromMember::Commit { commit, .. }) => {
                let (number, round) = (commit.commit.number.0, commit.round.0);
                let ops = telling::ops(&commit.commit.ops);
                format!("the hub gets from m{at} commit {number} of round {round}:{ops}")
            }
            Up::Hello(hello) => {
                let position = hello.position.map(|position| position.sequence);
                format!(
                    "the hub gets from m{at} a hello: {:?} at {position:?}",
                    hello.member.map(|(_, member, _)| member)
                )
            }
            other => format!("the hub gets from m{at} {other:?}"),
        });
    }

    fn send_down(&mut self, down: Down) {
        for (id, message) in down {
            let Some(at) = self.connections.get(&id).map(|connection| connection.member) else { continue };
            if let FromHub::Answer { number, answer } = &message {
                self.say(|_| match answer {
                    Answer::Accept { sequence, .. } => {
                        format!("the hub answers m{at} {}: entry {sequence}", number.0)
                    }
                    other => format!("the hub answers m{at} {}: {other:?}", number.0),
                });
            }
            let arrives = self.delay(at);
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.down.send(arrives, message);
            }
        }
    }

    /// A member connects if it has to, and takes what has come.
    pub(super) fn member_turn(&mut self, at: usize) -> Checked {
        if !self.ports[at].joined || self.ports[at].partitioned {
            return Ok(());
        }
        let Some(id) = self.ports[at].connection else {
            if self.now >= self.ports[at].retry_at {
                self.connect(at);
            }
            return Ok(());
        };
        let most = if self.plan.slow[at] { 1 } else { 1 + self.chance.below(6) };
        for _ in 0..most {
            let Some(connection) = self.connections.get_mut(&id) else { break };
            let Some(message) = connection.down.receive(self.now) else { break };
            self.say(|_| format!("m{at} gets {}", kind(&message)));
            // What a merge needs may not come in time.
            let (hub, never) = (&self.hub, self.chance.one_in(20));
            let fetch = |chunk| hub.chunk(chunk).filter(|_| !never);
            self.members[at].handle(self.now, message, &fetch);
            self.serve(at)?;
            if self.ports[at].connection != Some(id) {
                return Ok(());
            }
        }
        let over = |connection: &Connection| connection.hub_gone && connection.down.len() == 0;
        if self.connections.get(&id).is_none_or(over) {
            self.connections.remove(&id);
            self.disconnect(at);
            return Ok(());
        }
        self.move_content(at, id)?;
        self.serve(at)
    }

    /// What the process around a member does after each message.
    pub(super) fn serve(&mut self, at: usize) -> Checked {
        if std::mem::take(&mut self.members[at].todo.disconnect) {
            self.disconnect(at);
            return Ok(());
        }
        let Some(id) = self.ports[at].connection else { return Ok(()) };
        self.begin_upload(at, id)?;
        if std::mem::take(&mut self.members[at].todo.wait) {
            self.ports[at].waits_until = Some(self.now + 30);
        }
        if self.ports[at].waits_until.is_some_and(|until| until <= self.now) {
            self.ports[at].waits_until = None;
            self.members[at].replica.waited();
        }
        if let Some(message) = self.members[at].next_commit() {
            self.send_up(at, id, message);
        }
        if let Some(sequence) = self.members[at].seen().filter(|_| self.chance.one_in(40)) {
            self.send_up(at, id, FromMember::Applied { sequence });
        }
        Ok(())
    }

    fn send_up(&mut self, at: usize, id: u64, message: FromMember) {
        let arrives = self.delay(at);
        if let Some(connection) = self.connections.get_mut(&id).filter(|connection| !connection.hub_gone) {
            connection.up.send(arrives, Up::Said(message));
        }
    }
}

fn kind(message: &FromHub) -> String {
    match message {
        FromHub::Entry { entry, .. } => {
            let (member, number) = (entry.member.0, entry.number.0);
            format!("entry {}: commit {number} of member {member}", entry.sequence)
        }
        FromHub::SnapshotRows(rows) => format!("{} rows", rows.len()),
        FromHub::Welcome(welcome) => {
            let start = match welcome.start {
                Start::Tail => "tail".to_owned(),
                Start::Snapshot { departs, .. } => format!("snapshot, departs: {departs}"),
            };
            let (member, accepted, head) = (welcome.member.0, welcome.accepted.0, welcome.head);
            format!("a welcome as member {member}, accepted {accepted}, head {head:?}, {start}")
        }
        FromHub::Answer { answer: Answer::Accept { sequence, .. }, .. } => {
            format!("the acceptance of entry {sequence}")
        }
        other => format!("{other:?}"),
    }
}
