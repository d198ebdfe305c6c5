//! How do bytes flow? Workers in parallel, results in order, memory bounded, cancellable. Knows neither PostgreSQL nor paths.

mod cancel;
mod error;
mod ordered;
mod progress;
mod rate;
mod recycle;

pub use cancel::Cancel;
pub use error::PipelineError;
pub use ordered::{Flow, run_ordered};
pub use progress::{Phase, Progress, SilentProgress};
pub use rate::RateLimit;
pub use recycle::BufferPool;
