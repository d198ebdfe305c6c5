//! How do we talk to a PostgreSQL cluster? libpq under a thin safe wrapper, a probe, the backup session, and the server's
//! own programs. SQL text lives here and nowhere else in the engine.

mod binaries;
mod connection;
mod error;
mod privileges;
mod probe;
mod server;
mod session;

pub use binaries::{BinarySearch, PostgresBinaries};
pub use connection::{Connection, ConnectionSettings, QueryResult, SqlParameter};
pub use error::ClusterError;
pub use privileges::{PrivilegeFinding, required_grants};
pub use probe::{ClusterInfo, ExternalConfigFile, Tablespace, probe};
pub use server::{LocalServer, ServerOwner, StartOptions};
pub use session::{BackupSession, BackupStart, BackupStop};
