//! Asker and answerer together, over a real socket.

use super::*;
use crate::member::control::{
    AskError, ContentReport, ControlPath, Pending, SocketError, ask, ask_for, ask_for_files, bind,
};
use crate::model::{NodeId, Sequence, Version};
use std::io::{Read, Seek, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Counts down to an answer.
struct Countdown;

impl Handler for Countdown {
    fn handle(&self, request: ControlRequest, reply: &mut Reply) -> io::Result<ControlResponse> {
        let ControlRequest::Sync { timeout_seconds } = request else { return Ok(ControlResponse::Done) };
        for files in (1..=timeout_seconds).rev() {
            reply.send(&ControlResponse::Progress(Pending { ops: files, files, bytes: 0 }))?;
        }
        Ok(ControlResponse::NotFound { message: "gone".into() })
    }
}

/// Hands out files.
struct Lender;

impl Handler for Lender {
    fn handle(&self, _: ControlRequest, reply: &mut Reply) -> io::Result<ControlResponse> {
        for text in ["one", "two", "three"] {
            let mut file = tempfile::tempfile()?;
            file.write_all(text.as_bytes())?;
            file.rewind()?;
            let progress = Pending { ops: 1, files: 0, bytes: 0 };
            reply.send(&ControlResponse::Progress(progress))?;
            reply.send_with(&ControlResponse::Content(Box::new(report(text))), &file)?;
        }
        Ok(ControlResponse::Done)
    }
}

fn report(text: &str) -> ContentReport {
    let (path, length) = (ControlPath(text.as_bytes().to_vec()), text.len() as u64);
    let (version, sequence) = (Version(1), Sequence(0));
    ContentReport { node: NodeId::ROOT, version, sequence, path, deleted: false, length, md5: "0".into() }
}

/// Says what is in the file that comes along.
struct Borrower;

impl Handler for Borrower {
    fn handle(&self, _: ControlRequest, reply: &mut Reply) -> io::Result<ControlResponse> {
        let mut text = String::from("nothing");
        if let Some(mut file) = reply.take_brought() {
            text.clear();
            file.read_to_string(&mut text)?;
        }
        Ok(ControlResponse::NotFound { message: text })
    }
}

/// Never answers before its asker is gone.
struct Silent;

impl Handler for Silent {
    fn handle(&self, _: ControlRequest, reply: &mut Reply) -> io::Result<ControlResponse> {
        let mut rest = Vec::new();
        reply.stream.read_to_end(&mut rest)?;
        Ok(ControlResponse::Done)
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

fn started(handler: impl Handler, deep: bool) -> (tempfile::TempDir, PathBuf, ControlServer) {
    let directory = tempfile::tempdir().unwrap();
    let mut path = directory.path().to_owned();
    if deep {
        path.push("d".repeat(150));
        std::fs::create_dir(&path).unwrap();
    }
    path.push("control.sock");
    let server = serve(bind(&path).unwrap(), Arc::new(handler)).unwrap();
    (directory, path, server)
}

fn raw(path: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn progress_comes_on_the_way_and_the_answer_last() {
    let (_directory, socket, _server) = started(Countdown, false);
    let mut seen = Vec::new();
    let request = ControlRequest::Sync { timeout_seconds: 3 };
    let last = ask_for(&socket, &request, PATIENCE, |response| seen.push(response)).unwrap();
    assert_eq!(last, ControlResponse::NotFound { message: "gone".into() });
    let files = seen.iter().map(|response| match response {
        ControlResponse::Progress(pending) => pending.files,
        other => panic!("{other:?}"),
    });
    assert_eq!(files.collect::<Vec<_>>(), [3, 2, 1]);
}

#[test]
fn files_come_with_the_answers_they_belong_to() {
    let (_directory, socket, _server) = started(Lender, false);
    let mut read = Vec::new();
    let last = ask_for_files(&socket, (&ControlRequest::Status, None), PATIENCE, |response, file| {
        match (response, file) {
            (ControlResponse::Content(report), Some(mut file)) => {
                let mut text = String::new();
                file.read_to_string(&mut text).unwrap();
                assert_eq!(report.path.0, text.as_bytes());
                read.push(text);
            }
            (ControlResponse::Progress(_), None) => {}
            other => panic!("{other:?}"),
        }
        if read.len() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(last.unwrap(), None, "no more was wanted");
    assert_eq!(read, ["one", "two"]);
}

#[test]
fn a_file_may_come_with_a_request() {
    let (_directory, socket, _server) = started(Borrower, false);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"something").unwrap();
    file.rewind().unwrap();
    for (brought, said) in [(Some(&file), "something"), (None, "nothing")] {
        let request = (&ControlRequest::Status, brought);
        let answer = ask_for_files(&socket, request, PATIENCE, |_, _| ControlFlow::Continue(()));
        assert_eq!(answer.unwrap(), Some(ControlResponse::NotFound { message: said.into() }));
    }
}

#[test]
fn the_socket_is_private_and_its_path_may_be_long() {
    let (_directory, socket, _server) = started(Countdown, true);
    assert!(socket.as_os_str().len() > 150);
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(ask(&socket, &ControlRequest::Status, PATIENCE).unwrap(), ControlResponse::Done);
}

#[test]
fn a_socket_left_by_an_ended_daemon_is_replaced_and_says_so_until_then() {
    let (_directory, socket, server) = started(Countdown, false);
    drop(server);
    let error = ask(&socket, &ControlRequest::Status, PATIENCE).unwrap_err();
    assert!(matches!(error, AskError::Socket(SocketError::Io { .. })), "{error}");
    let _server = serve(bind(&socket).unwrap(), Arc::new(Countdown)).unwrap();
    assert_eq!(ask(&socket, &ControlRequest::Status, PATIENCE).unwrap(), ControlResponse::Done);
}

#[test]
fn nonsense_is_answered_clearly_and_harms_nobody() {
    let (_directory, socket, _server) = started(Countdown, false);
    for nonsense in ["\n", "{}\n", "\"explode\"\n", "\u{0}\u{1}\n"] {
        assert!(raw(&socket, nonsense.as_bytes()).contains("was not understood"), "{nonsense:?}");
    }
    assert_eq!(raw(&socket, b"\"sta"), "", "half a line is no request");
    assert_eq!(ask(&socket, &ControlRequest::Status, PATIENCE).unwrap(), ControlResponse::Done);
}

#[test]
fn an_asker_waits_no_longer_than_it_wants_and_a_slow_answer_keeps_nobody_else() {
    let (_directory, socket, _server) = started(Silent, false);
    for _ in 0..2 {
        let error = ask(&socket, &ControlRequest::Status, Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, AskError::TimedOut { .. }), "{error}");
    }
}

/// Answers once it is told to.
struct Patient {
    began: std::sync::mpsc::Sender<()>,
    go_on: Mutex<std::sync::mpsc::Receiver<()>>,
}

impl Handler for Patient {
    fn handle(&self, _: ControlRequest, _: &mut Reply) -> io::Result<ControlResponse> {
        self.began.send(()).unwrap();
        self.go_on.lock().recv().unwrap();
        Ok(ControlResponse::Done)
    }
}

#[test]
fn who_still_waits_when_the_process_ends_gets_the_last_answer() {
    let ((began, has_begun), (go_on, may_go_on)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
    let (_directory, socket, server) = started(Patient { began, go_on: Mutex::new(may_go_on) }, false);
    let askers = server.askers.clone();
    let asking = thread::spawn(move || ask(&socket, &ControlRequest::Status, PATIENCE).unwrap());
    has_begun.recv_timeout(PATIENCE).unwrap();
    assert!(!askers.wait_until_none(Instant::now()), "one is being answered");
    go_on.send(()).unwrap();
    server.end();
    assert_eq!(*askers.count.lock(), 0, "the end waits for the answer to be on its way");
    assert_eq!(asking.join().unwrap(), ControlResponse::Done);
}
