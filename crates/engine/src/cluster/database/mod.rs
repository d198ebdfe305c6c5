//! One database among others: what it is, what it needs of the server that takes it, and how it is made, named and dropped there.

mod facts;
mod live;
mod narrow;
mod properties;
mod snapshot;
mod statements;

pub use facts::{DatabaseFacts, DatabaseNeeds, LocaleProvider, PreparedTransactions, database_names};
pub use live::{LiveServer, SwapRefusal};
pub use narrow::{Narrowed, NarrowedError, ObjectId, narrow};
pub use properties::DatabaseProperties;
pub use snapshot::Snapshot;
