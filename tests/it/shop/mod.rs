//! Tests of shops, their members and their audit log.

mod audit;
mod members;
mod security_log;
