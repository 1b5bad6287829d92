//! Bounds on what an op may carry. Names check themselves when decoded.

use super::{Make, Move, Op, Put, Rejection, SetMeta, Verb};
use crate::model::{
    Body, ChunkList, MANIFEST_EXTENTS_MAX, Manifest, SYMLINK_BYTES_MAX, Timestamp, XATTR_NAME_BYTES_MAX,
    XATTR_VALUE_BYTES_MAX, Xattrs,
};

/// All attributes of one node together, in bytes.
const XATTRS_BYTES_MAX: usize = 256 * 1024;
const MODE_MAX: u16 = 0o7777;
/// A file offset is signed 64 bits in every system call.
const LENGTH_MAX: u64 = i64::MAX as u64;

/// Checks everything about an op that does not depend on the tree.
///
/// # Errors
/// [`Rejection::Limit`] naming the bound that is exceeded.
pub fn check_limits(op: &Op) -> Result<(), Rejection> {
    check_time(op.time)?;
    match &op.verb {
        Verb::Make(make) => check_make(make),
        Verb::Put(put) => check_put(put),
        Verb::SetMeta(set) => check_set_meta(set),
        Verb::Move(rename) => check_move(rename),
        Verb::Record(conflict) => check_time(conflict.time),
        Verb::Link(_) | Verb::Drop(_) | Verb::Settle { .. } => Ok(()),
    }
}

fn check_time(time: Timestamp) -> Result<(), Rejection> {
    if time.nanos > 999_999_999 {
        return Err(Rejection::Limit("a time has more than 999,999,999 nanoseconds"));
    }
    Ok(())
}

fn check_move(rename: &Move) -> Result<(), Rejection> {
    match rename.replaces {
        None if rename.exchange => Err(Rejection::Limit("an exchange names no second node")),
        // POSIX: a rename between two names of one file does nothing, so it is no op.
        Some(replaced) if replaced.node == rename.node => {
            Err(Rejection::Limit("a move replaces the node it moves"))
        }
        _ => Ok(()),
    }
}

fn check_make(make: &Make) -> Result<(), Rejection> {
    check_mode(make.mode)?;
    check_time(make.mtime)?;
    make.conflict.iter().try_for_each(|conflict| check_time(conflict.time))?;
    check_xattrs(make.xattrs.iter().map(|(name, value)| (name, Some(value))))?;
    match &make.body {
        Body::File(manifest) => check_manifest(manifest),
        Body::Symlink(target) if target.is_empty() || target.len() > SYMLINK_BYTES_MAX => {
            Err(Rejection::Limit("a symlink target is not 1 to 4,095 bytes long"))
        }
        Body::Symlink(target) if target.contains(&0) => {
            Err(Rejection::Limit("a symlink target holds a NUL byte"))
        }
        _ => Ok(()),
    }
}

fn check_put(put: &Put) -> Result<(), Rejection> {
    check_time(put.mtime)?;
    put.conflict.iter().try_for_each(|conflict| check_time(conflict.time))?;
    if let Some(attributes) = &put.attributes {
        check_mode(attributes.mode)?;
        check_xattrs(attributes.xattrs.iter().map(|(name, value)| (name, Some(value))))?;
    }
    check_manifest(&put.manifest)
}

fn check_set_meta(set: &SetMeta) -> Result<(), Rejection> {
    set.mode.map_or(Ok(()), check_mode)?;
    set.mtime.map_or(Ok(()), check_time)?;
    check_xattrs(set.xattrs.iter().map(|(name, value)| (name, value.as_ref())))
}

fn check_mode(mode: u16) -> Result<(), Rejection> {
    if mode > MODE_MAX { Err(Rejection::Limit("a mode has bits beyond 07777")) } else { Ok(()) }
}

fn check_xattrs<'a>(
    xattrs: impl Iterator<Item = (&'a Vec<u8>, Option<&'a Vec<u8>>)>,
) -> Result<(), Rejection> {
    let mut total = 0;
    for (name, value) in xattrs {
        let bytes = value.map_or(0, Vec::len);
        total += name.len() + bytes;
        if !(1..=XATTR_NAME_BYTES_MAX).contains(&name.len()) || name.contains(&0) {
            return Err(Rejection::Limit("an attribute's name is not 1 to 255 bytes without NUL"));
        }
        if bytes > XATTR_VALUE_BYTES_MAX {
            return Err(Rejection::Limit("an attribute's value is longer than 64 KiB"));
        }
    }
    check_total(total)
}

/// Checks what a node's attributes come to when an op has changed some of them.
pub(super) fn check_xattrs_total(xattrs: &Xattrs) -> Result<(), Rejection> {
    check_total(xattrs.iter().map(|(name, value)| name.len() + value.len()).sum())
}

fn check_total(bytes: usize) -> Result<(), Rejection> {
    if bytes > XATTRS_BYTES_MAX {
        return Err(Rejection::Limit("a node's attributes are longer than 256 KiB together"));
    }
    Ok(())
}

fn check_manifest(manifest: &Manifest) -> Result<(), Rejection> {
    let extents = manifest.extents();
    if extents.len() > MANIFEST_EXTENTS_MAX {
        return Err(Rejection::Limit("a manifest lists more than 1,024 extents"));
    }
    if manifest.length > LENGTH_MAX {
        return Err(Rejection::Limit("a file is longer than 2^63-1 bytes"));
    }
    let listed = extents.iter().try_fold(0u64, |sum, extent| sum.checked_add(extent.length));
    let whole = match (&manifest.chunks, listed) {
        (ChunkList::Flat(_), Some(listed)) => listed == manifest.length,
        (ChunkList::Tree(_), listed) => listed.is_some(),
        (_, None) => false,
    };
    if !whole || extents.iter().any(|extent| extent.length == 0) {
        return Err(Rejection::Limit("a manifest's extents do not add up to its length"));
    }
    Ok(())
}
