//! Conflict markers left in what somebody made of a conflict.

const MARKERS: [&[u8]; 4] = [b"<<<<<<<", b"|||||||", b"=======", b">>>>>>>"];

/// The first line that is a marker and stood in none of the contents that were joined; lines count from 1.
pub fn left_in(merged: &[u8], contents: &[&[u8]]) -> Option<usize> {
    let known = |line: &[u8]| contents.iter().any(|content| lines(content).any(|known| known == line));
    lines(merged).position(|line| is_marker(line) && !known(line)).map(|at| at + 1)
}

fn lines(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    content.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

fn is_marker(line: &[u8]) -> bool {
    let follows =
        |marker: &&[u8]| line.strip_prefix(*marker).is_some_and(|rest| matches!(rest, [] | [b' ', ..]));
    MARKERS.iter().any(follows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_that_no_content_had_is_found() {
        let sides: [&[u8]; 2] = [b"one\n=======\n", b"two\r\n<<<<<<< of two\r\n"];
        let cases = [
            (&b"one\ntwo\n"[..], None),
            (b"one\n<<<<<<< b\ntwo\n", Some(2)),
            (b"one\n||||||| base\r\n", Some(2)),
            (b">>>>>>>", Some(1)),
            // What the sides have themselves, or what only looks like one.
            (b"one\n=======\n", None),
            (b"<<<<<<< of two\n", None),
            (b"========\n<<<<<<<<\n >>>>>>> x\n", None),
        ];
        for (merged, expected) in cases {
            assert_eq!(left_in(merged, &sides), expected, "{}", String::from_utf8_lossy(merged));
        }
    }
}
