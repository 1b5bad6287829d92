//! The hub's side of a control stream: the welcome, then everything in log order, then the last words.

use super::connection::refuse;
use super::feed::Feed;
use super::newcomer::read_rows;
use super::outbox::{Ending, Outbox, Step};
use super::owner::Greeted;
use crate::model::Sequence;
use crate::net::{CloseCode, Connection, FrameSender, SendError};
use crate::wire::{FromHub, Hello, Start};
use std::sync::Arc;

/// Writes one conversation.
pub struct Writer {
    pub sender: FrameSender,
    pub outbox: Arc<Outbox>,
    pub feed: Feed,
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

impl Writer {
    /// Writes until the conversation ends, and closes the connection with its last words.
    pub async fn run(mut self, connection: &Connection, greeted: Greeted, hello: &Hello) {
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
        match ending {
            Ending::Refused(refusal) => refuse(connection, self.sender, refusal).await,
            Ending::Gone => connection.close(CloseCode::Done, ""),
            Ending::Stopping(reason) => connection.close(CloseCode::Stopping, &reason),
        }
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
        if welcome.start == Start::Tail {
            self.sender.send_message(&FromHub::Welcome(welcome)).await?;
            self.sender.send_message(&FromHub::Members(names)).await?;
            return Ok(Sequence::after(hello.position.map(|position| position.sequence)));
        }
        let rows = read_rows(self.feed.hub, self.feed.store.clone()).await;
        let mut rows = rows.ok_or(Stopped::Read)?;
        // The log may have grown since the hello; the member counts from where the rows stand.
        let position = rows.position;
        welcome.start = Start::Snapshot { position };
        welcome.head = position.map(|position| position.sequence);
        self.sender.send_message(&FromHub::Welcome(welcome)).await?;
        self.sender.send_message(&FromHub::Members(names)).await?;
        while let Some(frame) = rows.frames.recv().await {
            self.sender.send_bytes(frame).await?;
        }
        self.sender.send_message(&FromHub::SnapshotEnd).await?;
        Ok(Sequence::after(position.map(|position| position.sequence)))
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
