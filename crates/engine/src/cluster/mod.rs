//! How do we talk to a PostgreSQL cluster? libpq under a thin safe wrapper, a probe, the backup session, the server's files
//! over SQL, and the server's own programs. SQL text lives here and nowhere else in the engine.

mod assertion;
mod binaries;
mod clients;
mod connection;
pub(crate) mod database;
pub(crate) mod error;
mod file_access;
mod libpq;
mod privileges;
mod probe;
mod programs;
mod query;
mod replay;
mod replication;
mod server;
mod session;
mod settings;
pub(crate) mod slots;
pub(crate) mod summarizer;
mod superuser;

pub use assertion::{AssertionAnswer, ask_assertion, connectable_databases};
pub use binaries::{BinarySearch, PostgresBinaries};
pub use clients::{ClientConnection, ClientPrograms};
pub use connection::{CancelHandle, Connection};
pub use database::{
    DatabaseFacts, DatabaseNeeds, DatabaseProperties, LiveServer, LocaleProvider, Narrowed, NarrowedError, ObjectId,
    PreparedTransactions, Snapshot, SwapRefusal, database_names, narrow,
};
pub use error::ClusterError;
pub use file_access::{FileRange, FileStat, list_directory, read_beginnings, read_file, read_ranges, stat_file};
pub use privileges::{PrivilegeFinding, required_grants};
pub use probe::{ClusterInfo, ExternalConfigFile, Tablespace, probe};
pub(crate) use programs::{Program, RunningProgram};
pub use query::{QueryResult, Row, SqlParameter, text_array};
pub use replay::{ReplayState, replay_state};
pub use replication::{Copied, ReplicationConnection, StandbyStatus, StreamEnd, SystemIdentification, WalBytes};
pub use server::{LocalServer, ServerOwner, StartOptions};
pub use session::{BackupSession, BackupStart, BackupStop};
pub use settings::ConnectionSettings;
pub use superuser::{bootstrap_superuser, is_superuser};
