//! Which keys may exist. A key that is refused here never reaches a file system or a bucket.

use super::StorageError;

/// The longest key, in bytes: what S3 takes.
pub const KEY_LIMIT_BYTES: usize = 1024;
/// The longest part of a key, in bytes. File systems take 255; our hidden names add up to 34.
pub const KEY_PART_LIMIT_BYTES: usize = 200;

/// Endings of the hidden files that storages keep beside objects: no object has such a name.
pub(super) const PARTIAL_SUFFIX: &str = ".cadena-partial";
pub(super) const LOCK_SUFFIX: &str = ".cadena-lock";
pub(super) const HOLDER_SUFFIX: &str = ".cadena-holder";
/// The lease that stands for a lock where there are no kernel locks.
const LEASE_SUFFIX: &str = ".cadena-lease";

/// Returns the name of the hidden object that is the lease of the lock `key`, in the folder of that key.
///
/// # Errors
/// As [`key_parts`].
pub fn lease_key(key: &str) -> Result<String, StorageError> {
    key_parts(key)?;
    Ok(match key.rsplit_once('/') {
        Some((folder, name)) => format!("{folder}/.{name}{LEASE_SUFFIX}"),
        None => format!(".{key}{LEASE_SUFFIX}"),
    })
}

/// Tells whether a file name is one of our hidden ones, which no listing shows and no object has.
pub fn is_reserved(name: &str) -> bool {
    let endings = [PARTIAL_SUFFIX, LOCK_SUFFIX, HOLDER_SUFFIX, LEASE_SUFFIX];
    name.starts_with('.') && endings.iter().any(|ending| name.ends_with(ending))
}

/// Cuts a key into its parts.
///
/// # Errors
/// `StorageKey` for keys that could leave the root, and for those that some storage or file system can't keep: empty,
/// absolute, `.`, `..`, empty parts, `\`, `:` (a drive or a stream on Windows), control characters, over-long ones, and
/// the names that storages use for themselves.
pub fn key_parts(key: &str) -> Result<Vec<&str>, StorageError> {
    if key.is_empty() {
        return Err(refused(key, "it is empty"));
    }
    let parts: Vec<&str> = key.split('/').collect();
    check(key, &parts)?;
    Ok(parts)
}

/// Cuts a listing's prefix into the folder that is certain and the beginning of a name, which may be empty.
///
/// # Errors
/// As [`key_parts`].
pub fn prefix_parts(prefix: &str) -> Result<(Vec<&str>, &str), StorageError> {
    let Some((folders, name)) = prefix.rsplit_once('/') else {
        check_part(prefix, prefix, true)?;
        return Ok((Vec::new(), prefix));
    };
    let parts: Vec<&str> = folders.split('/').collect();
    check(prefix, &parts)?;
    check_part(prefix, name, true)?;
    Ok((parts, name))
}

fn check(key: &str, parts: &[&str]) -> Result<(), StorageError> {
    if key.len() > KEY_LIMIT_BYTES {
        return Err(refused(key, "it is longer than 1024 bytes"));
    }
    parts.iter().try_for_each(|part| check_part(key, part, false))
}

fn check_part(key: &str, part: &str, may_be_empty: bool) -> Result<(), StorageError> {
    if part.is_empty() {
        return if may_be_empty { Ok(()) } else { Err(refused(key, "a part of it is empty")) };
    }
    if part == "." || part == ".." {
        return Err(refused(key, "it leaves its folder"));
    }
    if part.contains(['\\', ':']) {
        return Err(refused(key, "it holds a character that is special on Windows"));
    }
    if part.chars().any(char::is_control) {
        return Err(refused(key, "it holds a control character"));
    }
    if part.len() > KEY_PART_LIMIT_BYTES {
        return Err(refused(key, "a part of it is longer than 200 bytes"));
    }
    if is_reserved(part) {
        return Err(refused(key, "it is a name that the storage keeps for itself"));
    }
    Ok(())
}

fn refused(key: &str, reason: &'static str) -> StorageError {
    StorageError::StorageKey { object: key.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_keys_of_a_repository() {
        for key in ["cadena.json", "full/full_20261124_000000.backup", "wal/00000001/000000010000000000000007.zst.age"]
        {
            assert_eq!(key_parts(key).unwrap().join("/"), key);
        }
    }

    #[test]
    fn refuses_hostile_keys() {
        let long = "x".repeat(201);
        let deep = "abcdefghi/".repeat(110) + "x";
        for key in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../x",
            "full/../../x",
            "full/..",
            ".",
            "./x",
            "full//x",
            "full/",
            "a\\b",
            "C:x",
            "a\0b",
            "a\nb",
            ".x.0123456789abcdef.cadena-partial",
            "full/.lock.cadena-lock",
            ".lock.cadena-holder",
            &long,
            &deep,
        ] {
            assert!(matches!(key_parts(key), Err(StorageError::StorageKey { .. })), "{key:?} was taken");
        }
    }

    #[test]
    fn a_lease_is_hidden_beside_the_key_of_its_lock() {
        assert_eq!(lease_key("lock").unwrap(), ".lock.cadena-lease");
        assert_eq!(lease_key("wal/receiver").unwrap(), "wal/.receiver.cadena-lease");
        assert!(key_parts("wal/.receiver.cadena-lease").is_err());
        assert!(lease_key("../lock").is_err());
    }

    #[test]
    fn cuts_prefixes_and_refuses_hostile_ones() {
        assert_eq!(prefix_parts("").unwrap(), (vec![], ""));
        assert_eq!(prefix_parts("full/").unwrap(), (vec!["full"], ""));
        assert_eq!(prefix_parts("full/full_2026").unwrap(), (vec!["full"], "full_2026"));
        assert_eq!(prefix_parts("ca").unwrap(), (vec![], "ca"));
        for prefix in ["/", "../", "full/../", "..", "a//b", "/etc/"] {
            assert!(prefix_parts(prefix).is_err(), "{prefix:?} was taken");
        }
    }
}
