//! Notifications as they go over the wire: HTTP and SMTP servers of the tests' own, on loopback.

mod http_server;
mod mail;
mod queue;
mod smtp_server;
mod support;
mod webhooks;
