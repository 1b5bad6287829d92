//! Line endings: which a text has, and texts with others.
//!
//! Invariant: turning a uniform text there and back gives its bytes. Nothing here touches a lone carriage
//! return.

/// How the lines of a text end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Lf,
    CrLf,
}

impl Ending {
    /// The ending of the first line; line feed if there is none.
    pub fn of(text: &[u8]) -> Ending {
        match text.iter().position(|byte| *byte == b'\n') {
            Some(at) if at > 0 && text[at - 1] == b'\r' => Ending::CrLf,
            _ => Ending::Lf,
        }
    }

    pub fn bytes(self) -> &'static [u8] {
        match self {
            Ending::Lf => b"\n",
            Ending::CrLf => b"\r\n",
        }
    }

    /// The text with every line ending so.
    pub fn turn(self, text: &[u8]) -> Vec<u8> {
        let mut turned = Vec::with_capacity(text.len());
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            match line.strip_suffix(b"\n") {
                Some(line) => {
                    turned.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
                    turned.extend_from_slice(self.bytes());
                }
                None => turned.extend_from_slice(line),
            }
        }
        turned
    }

    /// The ending of every line; none if they differ, there is no line, or turning would lose a byte.
    fn of_all(text: &[u8]) -> Option<Ending> {
        let mut lines =
            text.split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
        let is_crlf = |line: &[u8]| line.last() == Some(&b'\r');
        let first = lines.next()?;
        let uniform = lines.all(|line| is_crlf(line) == is_crlf(first)) && !first.ends_with(b"\r\r");
        uniform.then_some(if is_crlf(first) { Ending::CrLf } else { Ending::Lf })
    }
}

/// The new ending, if a side turned all endings of the base.
pub fn turned(base: &[u8], local: &[u8], remote: &[u8]) -> Option<Ending> {
    let (base, local, remote) = (Ending::of_all(base)?, Ending::of_all(local)?, Ending::of_all(remote)?);
    [local, remote].into_iter().find(|side| *side != base)
}
