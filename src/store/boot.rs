//! Which boot of the machine this is, by which a power loss is noticed.

use super::StoreError;
use std::path::Path;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The kernel's random number for one boot; another one means that unsynced bytes may be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootId(pub [u8; 16]);

impl BootId {
    /// Asks the kernel.
    ///
    /// # Errors
    /// [`StoreError`] where it does not say; treat that as another boot.
    pub fn read() -> Result<BootId, StoreError> {
        let path = Path::new(BOOT_ID);
        let text = std::fs::read_to_string(path).map_err(StoreError::io("read", path))?;
        let malformed =
            || StoreError::Unusable { path: path.to_owned(), detail: format!("{text:?} is no boot id") };
        BootId::parse(text.trim_end()).ok_or_else(malformed)
    }

    fn parse(text: &str) -> Option<BootId> {
        let digits: String = text.chars().filter(|character| *character != '-').collect();
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()?;
        Some(BootId(bytes.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_id_is_the_same_twice_and_not_zero() {
        let first = BootId::read().unwrap();
        assert_eq!(first, BootId::read().unwrap());
        assert_ne!(first, BootId([0; 16]));
    }

    #[test]
    fn only_sixteen_bytes_are_a_boot_id() {
        let first = BootId::parse("00112233-4455-6677-8899-aabbccddeeff").unwrap();
        assert_eq!((first.0[0], first.0[15]), (0, 0xff));
        assert_eq!(BootId::parse(""), None);
        assert_eq!(BootId::parse("00112233-4455-6677-8899-aabbccddee"), None);
        assert_eq!(BootId::parse("not a boot id"), None);
    }
}
