//! POSIX access control lists, as the kernel passes them in `system.posix_acl_access` and `system.posix_acl_default`.
//!
//! Invariant: a node's mode is the truth for its owner, its mask and others; the list that is kept beside it is shown
//! with what the mode says. So `chmod` changes a list without touching it, and a mode and a list that two members set
//! at the same time still make one whole.
//!
//! The form is that of the kernel's `posix_acl_xattr.h`: a version, then entries of tag, permissions and id.

use super::error::VfsError;
use crate::model::Xattrs;

pub(super) const ACCESS: &[u8] = b"system.posix_acl_access";
pub(super) const DEFAULT: &[u8] = b"system.posix_acl_default";

const VERSION: [u8; 4] = 2u32.to_le_bytes();
const ENTRY_BYTES: usize = 8;
const NO_ID: u32 = u32::MAX;
const PERMISSIONS: u16 = 0o7;
const MODE: u16 = 0o777;

/// Whom an entry is about. Entries come in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tag {
    Owner,
    User,
    OwningGroup,
    Group,
    Mask,
    Others,
}

const TAGS: [(u16, Tag); 6] = [
    (0x01, Tag::Owner),
    (0x02, Tag::User),
    (0x04, Tag::OwningGroup),
    (0x08, Tag::Group),
    (0x10, Tag::Mask),
    (0x20, Tag::Others),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    tag: Tag,
    permissions: u16,
    id: u32,
}

/// A list that holds together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Acl {
    entries: Vec<Entry>,
}

impl Tag {
    fn from_number(number: u16) -> Option<Tag> {
        TAGS.iter().find(|(known, _)| *known == number).map(|(_, tag)| *tag)
    }

    fn number(self) -> u16 {
        TAGS[self as usize].0
    }

    fn is_named(self) -> bool {
        matches!(self, Tag::User | Tag::Group)
    }
}

impl Entry {
    fn parse(bytes: &[u8]) -> Option<Entry> {
        let number = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let tag = Tag::from_number(number(0))?;
        let id = u32::from(number(4)) | u32::from(number(6)) << 16;
        let id = if tag.is_named() { id } else { NO_ID };
        Some(Entry { tag, permissions: number(2), id }).filter(|entry| entry.permissions <= PERMISSIONS)
    }

    fn bytes(self) -> [u8; ENTRY_BYTES] {
        let [t0, t1] = self.tag.number().to_le_bytes();
        let [p0, p1] = self.permissions.to_le_bytes();
        let [i0, i1, i2, i3] = self.id.to_le_bytes();
        [t0, t1, p0, p1, i0, i1, i2, i3]
    }
}

impl Acl {
    /// Reads a list.
    ///
    /// # Errors
    /// [`VfsError::Unsupported`] for another version of the form, [`VfsError::Invalid`] for what is no list.
    pub fn parse(value: &[u8]) -> Result<Acl, VfsError> {
        let entries = value.strip_prefix(&VERSION).ok_or(VfsError::Unsupported)?;
        if !entries.len().is_multiple_of(ENTRY_BYTES) {
            return Err(VfsError::Invalid);
        }
        let entries: Option<Vec<Entry>> = entries.chunks(ENTRY_BYTES).map(Entry::parse).collect();
        let acl = Acl { entries: entries.ok_or(VfsError::Invalid)? };
        if acl.holds_together() { Ok(acl) } else { Err(VfsError::Invalid) }
    }

    /// One owner, one owning group, others; a mask where anybody is named; in order.
    fn holds_together(&self) -> bool {
        let count = |tag| self.entries.iter().filter(|entry| entry.tag == tag).count();
        let named = self.entries.iter().any(|entry| entry.tag.is_named());
        let ordered = self.entries.is_sorted_by(|a, b| a.tag < b.tag || (a.tag == b.tag && a.tag.is_named()));
        let once = [Tag::Owner, Tag::OwningGroup, Tag::Others].iter().all(|tag| count(*tag) == 1);
        ordered && once && (!named || count(Tag::Mask) == 1)
    }

    pub fn bytes(&self) -> Vec<u8> {
        let entries = self.entries.iter().flat_map(|entry| entry.bytes());
        VERSION.into_iter().chain(entries).collect()
    }

    /// Tells whether a mode says all that the list says.
    pub fn is_mode(&self) -> bool {
        self.entries.iter().all(|entry| !entry.tag.is_named() && entry.tag != Tag::Mask)
    }

    /// The permission bits of a mode that the list stands for.
    pub fn mode(&self) -> u16 {
        let bits = |tag| self.entries.iter().find(|entry| entry.tag == tag).map(|entry| entry.permissions);
        let group = bits(Tag::Mask).or(bits(Tag::OwningGroup)).unwrap_or(0);
        bits(Tag::Owner).unwrap_or(0) << 6 | group << 3 | bits(Tag::Others).unwrap_or(0)
    }

    /// The list with what a mode says in it.
    pub fn with_mode(mut self, mode: u16) -> Acl {
        self.change(|permissions, class| *permissions = mode >> class & PERMISSIONS);
        self
    }

    /// The list without what a mode does not allow.
    fn within_mode(mut self, mode: u16) -> Acl {
        self.change(|permissions, class| *permissions &= mode >> class);
        self
    }

    /// Changes the permissions that a mode has a place for, and is told the place.
    fn change(&mut self, change: impl Fn(&mut u16, u16)) {
        let masked = self.entries.iter().any(|entry| entry.tag == Tag::Mask);
        for entry in &mut self.entries {
            let class = match entry.tag {
                Tag::Owner => 6,
                Tag::Mask => 3,
                Tag::OwningGroup if !masked => 3,
                Tag::Others => 0,
                _ => continue,
            };
            change(&mut entry.permissions, class);
        }
    }
}

/// Tells whether an attribute is an access control list, and is to be set as one.
pub fn is_acl(name: &[u8]) -> bool {
    name == ACCESS || name == DEFAULT
}

/// What a node made in a directory with these attributes takes from its default list: a mode and attributes. None where
/// there is no such list, and the maker's umask counts.
pub(super) fn inherited(directory: &Xattrs, mode: u16, is_directory: bool) -> Option<(u16, Xattrs)> {
    let default = directory.get(DEFAULT)?;
    let access = Acl::parse(default).ok()?.within_mode(mode);
    let mut xattrs = Xattrs::new();
    if is_directory {
        xattrs.insert(DEFAULT.to_vec(), default.clone());
    }
    if !access.is_mode() {
        xattrs.insert(ACCESS.to_vec(), access.bytes());
    }
    Some((mode & !MODE | access.mode(), xattrs))
}

/// A kept list as it is shown beside a mode; none where it is no list.
pub(super) fn shown(value: &[u8], mode: u16) -> Option<Vec<u8>> {
    Some(Acl::parse(value).ok()?.with_mode(mode).bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(entries: &[(Tag, u16, u32)]) -> Acl {
        let entry = |(tag, permissions, id): &(Tag, u16, u32)| Entry {
            tag: *tag,
            permissions: *permissions,
            id: *id,
        };
        Acl { entries: entries.iter().map(entry).collect() }
    }

    fn named() -> Acl {
        acl(&[
            (Tag::Owner, 7, NO_ID),
            (Tag::User, 7, 1000),
            (Tag::OwningGroup, 5, NO_ID),
            (Tag::Mask, 6, NO_ID),
            (Tag::Others, 1, NO_ID),
        ])
    }

    #[test]
    fn a_list_is_read_as_it_was_written() {
        assert_eq!(Acl::parse(&named().bytes()).unwrap(), named());
        assert_eq!(named().bytes()[..12], [2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255]);
        assert_eq!(named().mode(), 0o761);
        assert!(!named().is_mode());
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let plain = [(Tag::Owner, 7, NO_ID), (Tag::OwningGroup, 5, NO_ID), (Tag::Others, 0, NO_ID)];
        assert!(acl(&plain).holds_together() && acl(&plain).is_mode());
        let without = |at: usize| {
            let mut entries = plain.to_vec();
            entries.remove(at);
            acl(&entries)
        };
        let unmasked = [plain[0], (Tag::User, 7, 3), plain[1], plain[2]];
        let unordered = [plain[1], plain[0], plain[2]];
        let doubled = [plain[0], plain[0], plain[1], plain[2]];
        let bad =
            [without(0), without(1), without(2), acl(&unmasked), acl(&unordered), acl(&doubled), acl(&[])];
        for bad in bad {
            assert!(matches!(Acl::parse(&bad.bytes()), Err(VfsError::Invalid)), "{bad:?}");
        }
        let (good, mut cut) = (named().bytes(), named().bytes());
        cut.pop();
        assert!(matches!(Acl::parse(&cut), Err(VfsError::Invalid)));
        assert!(matches!(Acl::parse(&good[1..]), Err(VfsError::Unsupported)));
        let too_much = acl(&[(Tag::Owner, 8, NO_ID), plain[1], plain[2]]);
        assert!(matches!(Acl::parse(&too_much.bytes()), Err(VfsError::Invalid)));
    }

    #[test]
    fn a_mode_is_shown_in_owner_mask_and_others() {
        let shown = Acl::parse(&shown(&named().bytes(), 0o640).unwrap()).unwrap();
        assert_eq!(shown.mode(), 0o640);
        let of = |tag| shown.entries.iter().find(|entry| entry.tag == tag).unwrap().permissions;
        assert_eq!((of(Tag::User), of(Tag::OwningGroup)), (7, 5));
    }

    #[test]
    fn what_is_made_in_a_directory_with_a_default_takes_it_as_far_as_its_mode_allows() {
        let directory = Xattrs::from([(DEFAULT.to_vec(), named().bytes())]);
        let (mode, xattrs) = inherited(&directory, 0o2644, false).unwrap();
        assert_eq!(mode, 0o2640);
        assert_eq!(Acl::parse(&xattrs[ACCESS]).unwrap().mode(), 0o640);
        assert!(!xattrs.contains_key(DEFAULT));
        let (mode, xattrs) = inherited(&directory, 0o777, true).unwrap();
        assert_eq!(mode, 0o761);
        assert_eq!(xattrs[DEFAULT], named().bytes());
        assert_eq!(inherited(&Xattrs::new(), 0o644, false), None);
    }

    #[test]
    fn a_default_that_a_mode_can_say_leaves_no_list() {
        let plain = [(Tag::Owner, 7, NO_ID), (Tag::OwningGroup, 5, NO_ID), (Tag::Others, 0, NO_ID)];
        let directory = Xattrs::from([(DEFAULT.to_vec(), acl(&plain).bytes())]);
        assert_eq!(inherited(&directory, 0o666, false), Some((0o640, Xattrs::new())));
    }
}
