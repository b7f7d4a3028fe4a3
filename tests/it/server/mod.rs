//! Tests of the server and its databases: start, stop, outages and upgrades.

mod backup;
mod demo;
mod disk_faults;
mod disk_full;
mod harness;
mod kill;
mod metrics;
mod migration;
mod old_schema;
mod outage;
mod outage_codes;
mod outage_locks;
mod outage_server;
mod pgbouncer;
mod power_cut;
mod power_cut_postgres;
mod primary;
mod production;
mod start;
mod stop;
mod traces;
