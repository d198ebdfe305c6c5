//! How is a restore made over a cluster that is there? Its control file goes aside first, so that no server starts in what is
//! half one state and half another; then all goes that the backup does not have, files are compared and made right, and
//! the backup's control file comes last. Killed at any point and made again, it ends right.

mod apply;
mod surplus;

pub(super) use apply::apply_over;
