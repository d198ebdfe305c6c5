//! How are the backups? Everything that `status`, the metrics and the notifications tell, as one value; the edge puts it into words.

mod attention;
mod chains;
mod gather;
mod kinds;
mod space;
mod validations;
mod wal;

pub use attention::{Attention, of_repository};
pub use chains::ChainLink;
pub use gather::{HealthQuestion, JobDue, RepositoryHealth, health};
pub use kinds::{KindHealth, KindTotal};
pub use space::Space;
pub use validations::ValidationHealth;
pub use wal::WalHealth;
