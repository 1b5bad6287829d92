//! The hub's side of a control stream: the welcome, then everything in log order, then the last words.

use super::feed::Feed;
use super::newcomer::{PAGE_PATIENCE, Rows, Unreadable};
use super::outbox::{Ending, Outbox, Step};
use super::owner::Greeted;
use super::turns::Turns;
use crate::model::{MemberName, MemberNumber, Sequence};
use crate::net::{FrameSender, SendError};
use crate::sync::hub::Device;
use crate::wire::{FromHub, Hello, Start};
use std::sync::Arc;
use tokio::time::timeout;

/// Names of one frame: far below what a frame may hold, with names of any length.
const NAMES_MAX: usize = 16_384;

/// Writes one conversation.
pub struct Writer {
    pub sender: FrameSender,
    pub outbox: Arc<Outbox>,
    pub feed: Feed,
    pub device: Device,
    pub snapshots: Arc<Turns<Device>>,
}

/// Why writing stopped before the conversation was ended.
enum Stopped {
    /// The peer does not take anything any more.
    Send,
    /// Reading what was to be sent failed.
    Read,
}

impl From<SendError> for Stopped {
    fn from(error: SendError) -> Stopped {
        tracing::debug!(%error, "a member could not be written to");
        Stopped::Send
    }
}

impl From<Unreadable> for Stopped {
    fn from(_: Unreadable) -> Stopped {
        Stopped::Read
    }
}

impl Writer {
    /// Writes until the conversation ends; what is left to say is the caller's.
    pub async fn run(mut self, greeted: Greeted, hello: &Hello) -> (FrameSender, Ending) {
        let outbox = self.outbox.clone();
        let ending = tokio::select! {
            // What is in the middle of a frame when the end comes cannot be followed by anything.
            biased;
            ending = self.converse(greeted, hello) => Some(ending),
            () = outbox.ended() => None,
        };
        let ending = match ending {
            Some(Ok(ending)) => ending,
            Some(Err(Stopped::Send)) => Ending::Gone,
            Some(Err(Stopped::Read)) => Ending::Stopping("the hub could not read its store".to_owned()),
            None => match outbox.next(Sequence(0)).await {
                Step::End(ending) => ending,
                _ => Ending::Gone,
            },
        };
        outbox.end(ending.clone());
        (self.sender, ending)
    }

    async fn converse(&mut self, greeted: Greeted, hello: &Hello) -> Result<Ending, Stopped> {
        let mut next = self.welcome(greeted, hello).await?;
        loop {
            match self.outbox.next(next).await {
                Step::Send { frame, is_entry } => {
                    self.sender.send_bytes(frame).await?;
                    next.0 += u64::from(is_entry);
                }
                Step::Fetch { upto } => next = self.fetch(next, upto).await?,
                Step::End(ending) => return Ok(ending),
            }
        }
    }

    /// Sends welcome, names and, where the member needs it, the snapshot. Returns the first sequence it lacks.
    async fn welcome(&mut self, greeted: Greeted, hello: &Hello) -> Result<Sequence, Stopped> {
        let Greeted { mut welcome, names, .. } = greeted;
        let Start::Snapshot { departs, .. } = welcome.start else {
            self.sender.send_message(&FromHub::Welcome(welcome)).await?;
            self.names(&names).await?;
            return Ok(Sequence::after(hello.position.map(|position| position.sequence)));
        };
        let _turn = self.snapshots.wait(self.device).await;
        let mut rows = Rows::freeze(self.feed.hub, self.feed.store.clone()).await?;
        // The log may have grown since the hello; the member counts from where the rows stand.
        let position = rows.position;
        welcome.start = Start::Snapshot { position, departs };
        welcome.head = position.map(|position| position.sequence);
        let greeting = async {
            self.sender.send_message(&FromHub::Welcome(welcome)).await?;
            self.names(&names).await
        };
        timeout(PAGE_PATIENCE, greeting).await.map_err(|_| Stopped::Send)??;
        while let Some(frame) = rows.page().await? {
            let taken = timeout(PAGE_PATIENCE, self.sender.send_bytes(frame)).await;
            taken.map_err(|_| Stopped::Send)??;
        }
        drop(rows);
        self.sender.send_message(&FromHub::SnapshotEnd).await?;
        Ok(Sequence::after(position.map(|position| position.sequence)))
    }

    async fn names(&mut self, names: &[(MemberNumber, MemberName)]) -> Result<(), Stopped> {
        for frame in name_frames(names) {
            self.sender.send_message(&frame).await?;
        }
        Ok(())
    }

    async fn fetch(&mut self, from: Sequence, upto: Sequence) -> Result<Sequence, Stopped> {
        let feed = self.feed.clone();
        let page = tokio::task::spawn_blocking(move || feed.page(from, upto)).await;
        let (frames, next) = page.map_err(|_| Stopped::Read)?;
        if next == from {
            tracing::error!(%from, %upto, "the log has a gap");
            return Err(Stopped::Read);
        }
        for frame in frames {
            self.sender.send_bytes(frame).await?;
        }
        Ok(next)
    }
}

fn name_frames(names: &[(MemberNumber, MemberName)]) -> impl Iterator<Item = FromHub> {
    names.chunks(NAMES_MAX).map(|names| FromHub::Members(names.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{FRAME_BYTES_MAX, encode};

    #[test]
    fn names_of_any_number_of_members_fit_their_frames() {
        let name = MemberName::new("x".repeat(32)).unwrap();
        let names: Vec<_> =
            (0..200_000).map(|number| (MemberNumber(u32::MAX - number), name.clone())).collect();
        assert!(encode(&FromHub::Members(names.clone())).len() > FRAME_BYTES_MAX);
        let mut told = Vec::new();
        for frame in name_frames(&names) {
            assert!(encode(&frame).len() < FRAME_BYTES_MAX / 4);
            let FromHub::Members(some) = frame else { panic!("no names") };
            told.extend(some);
        }
        assert_eq!(told, names);
        assert_eq!(name_frames(&names[..1]).count(), 1);
    }
}
