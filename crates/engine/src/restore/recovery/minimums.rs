//! Which settings must a restored server at least have? Recovery with hot standby refuses to start with less than the
//! source's (upstream `CheckRequiredParameterValues` in `xlogrecovery.c`), and they are in its control file.

use pgformat::FormatError;

/// The settings that a server in hot standby needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Minimums {
    pub max_connections: u32,
    pub max_worker_processes: u32,
    pub max_wal_senders: u32,
    pub max_prepared_transactions: u32,
    pub max_locks_per_transaction: u32,
}

/// Where `MaxConnections` lies in `ControlFileData` (upstream `catalog/pg_control.h`), the same in versions 14 to 18.
const MAX_CONNECTIONS_OFFSET: usize = 180;

impl Minimums {
    /// Reads them from a control file whose CRC has been checked.
    ///
    /// # Errors
    /// `FormatDamaged` when the bytes are too few or hold a negative number.
    pub fn from_control_file(bytes: &[u8]) -> Result<Self, FormatError> {
        let value = |index: usize| -> Result<u32, FormatError> {
            let start = MAX_CONNECTIONS_OFFSET + 4 * index;
            let field = bytes.get(start..start + 4).and_then(|field| <[u8; 4]>::try_from(field).ok());
            field.map(i32::from_le_bytes).and_then(|value| u32::try_from(value).ok()).ok_or_else(|| {
                FormatError::FormatDamaged { what: "pg_control", detail: format!("no setting at byte {start}") }
            })
        };
        Ok(Minimums {
            max_connections: value(0)?,
            max_worker_processes: value(1)?,
            max_wal_senders: value(2)?,
            max_prepared_transactions: value(3)?,
            max_locks_per_transaction: value(4)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_short_control_file_and_negative_settings() {
        assert!(Minimums::from_control_file(&[0; 190]).is_err());
        let mut bytes = [0_u8; 296];
        bytes[180..184].copy_from_slice(&100_i32.to_le_bytes());
        assert_eq!(Minimums::from_control_file(&bytes).unwrap().max_connections, 100);
        bytes[196..200].copy_from_slice(&(-1_i32).to_le_bytes());
        assert!(Minimums::from_control_file(&bytes).is_err());
    }
}
