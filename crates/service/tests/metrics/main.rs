//! What monitoring systems read: the pages over HTTP, their format, and what docs/monitoring makes of them.

mod docs;
mod openmetrics;
mod pages;
mod support;
mod watching;
