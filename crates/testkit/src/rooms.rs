//! (written below)
/// One breach of a rule.
pub struct RoomViolation;
/// Checks.
pub fn check_rooms() {}
