//! The control socket of a mounted member: requests of the command line, answers of the daemon.
//!
//! One request per connection, as one line of JSON; the answer is lines of JSON, of which
//! [`ControlResponse::is_last`] tells the last. With some of them an open file comes along, and with
//! one request.
//! Invariant: only the socket's owner and root
//! get through, in either direction: the socket has mode 0600, and both ends look at the peer's credentials.
//! What requests mean is the handler's business.

mod cache;
mod client;
mod conflicts;
mod history;
mod line;
mod messages;
mod past;
mod server;
mod sides;
mod socket;

pub use cache::{CacheReport, CacheRequest, ContentStanding, Kept, KeptBecause, UnreadFile};
pub use client::{AskError, ask, ask_for, ask_for_files};
pub use conflicts::{ConflictReport, ResolveChoice, ResolveRequest};
pub use history::{ContentReport, HistoryRequest, HolderReport, LogLine, Moment, VersionName, Which};
pub use messages::{
    ConnectionState, ControlPath, ControlRequest, ControlResponse, Parked, Pending, StatusReport, Supervision,
};
pub use past::{Existing, PastLine, PastReport, RestoreRequest, RestoreTo, UndoRequest};
pub use server::{ControlServer, Handler, Reply, serve};
pub use sides::{BaseContent, ControlBytes, Side, SidesReport};
pub use socket::{SocketError, bind};
