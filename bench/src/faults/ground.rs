//! A filled database and its instances.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use clap::ValueEnum;

use crate::{
    Outcome,
    faults::{
        cluster::{self, Cluster, url},
        instance::Instance,
        proxy::Proxy,
    },
};

/// The kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Database {
    /// Two instances on PostgreSQL, each behind its own proxy.
    Postgres,
    /// One instance on `SQLite`.
    Sqlite,
}

/// The programs.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// The server.
    pub(crate) server: PathBuf,
    /// The directory of PostgreSQL's programs.
    pub(crate) postgres: PathBuf,
}

/// A database with the demo data.
#[derive(Debug)]
pub(crate) struct Ground {
    /// The kind of database.
    pub(crate) database: Database,
    /// The cluster. `None` on `SQLite`.
    pub(crate) cluster: Option<Cluster>,
    /// The directory of all files.
    pub(crate) home: PathBuf,
    programs: Programs,
    instances: u32,
    // Unmounted after the cluster has stopped.
    mount: Option<Mount>,
}

/// The name of the database in the cluster.
pub(crate) const NAME: &str = "tessera";

impl Ground {
    /// Creates a database in this directory. With `mebibytes`, the directory is a file system of this size.
    pub(crate) async fn make(
        database: Database,
        programs: &Programs,
        home: &Path,
        mebibytes: Option<u32>,
    ) -> Outcome<Self> {
        fs::create_dir_all(home)?;
        let home = home.canonicalize()?;
        let mount = mebibytes.map(|size| Mount::new(&home, size)).transpose()?;
        let cluster = match database {
            Database::Postgres => Some(Cluster::begin(&programs.postgres, &home.join("cluster"))?),
            Database::Sqlite => None,
        };
        let ground = Self { database, cluster, home, programs: programs.clone(), instances: 0, mount };
        if let Some(cluster) = &ground.cluster {
            crate::postgres::execute(&cluster.url("postgres"), &format!("CREATE DATABASE {NAME}")).await?;
        }
        fs::create_dir_all(ground.home.join("keys"))?;
        let seeder = Instance::new(
            &ground.programs.server,
            &ground.home.join("seed"),
            &ground.home.join("keys"),
            &ground.url(),
        )?;
        let status = seeder.command().env("TESSERA_DEMO", "true").arg("seed").status()?;
        if status.success() { Ok(ground) } else { Err("the demo data could not be made".into()) }
    }

    /// Returns the database's URL without a proxy.
    pub(crate) fn url(&self) -> String {
        match &self.cluster {
            Some(cluster) => cluster.url(NAME),
            None => format!("sqlite://{}", self.home.join("tessera.db").display()),
        }
    }

    /// Creates the stopped instances and their proxies.
    pub(crate) async fn instances(&mut self) -> Outcome<(Vec<Instance>, Vec<Proxy>)> {
        let mut instances = Vec::new();
        let mut proxies = Vec::new();
        match &self.cluster {
            Some(cluster) => {
                for _ in 0..2 {
                    let proxy = Proxy::begin(cluster.port).await?;
                    instances.push(url(proxy.port, NAME));
                    proxies.push(proxy);
                }
            }
            None => instances.push(self.url()),
        }
        let mut made = Vec::new();
        for url in instances {
            self.instances += 1;
            // The small file system excludes the instance's logs, which must not fail.
            let home = self.mount.as_ref().map_or(&self.home, |mount| &mount.beside);
            let home = home.join(format!("instance-{}", self.instances));
            made.push(Instance::new(&self.programs.server, &home, &self.home.join("keys"), &url)?);
        }
        Ok((made, proxies))
    }
}

/// A small file system in memory. Dropping it unmounts the file system.
#[derive(Debug)]
struct Mount {
    path: PathBuf,
    /// A directory outside of it.
    beside: PathBuf,
}

impl Mount {
    fn new(path: &Path, mebibytes: u32) -> Outcome<Self> {
        let beside = path.with_extension("logs");
        fs::create_dir_all(&beside)?;
        let size = format!("size={mebibytes}m,mode=755");
        cluster::run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(path))?;
        Ok(Self { path: path.to_owned(), beside })
    }
}

/// Returns whether this process can mount file systems. This needs root, and fails in some containers.
pub(super) fn can_mount(scratch: &Path) -> bool {
    let path = scratch.join("mount");
    fs::create_dir_all(&path).is_ok() && Mount::new(&path, 1).is_ok()
}

impl Drop for Mount {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.path).stderr(Stdio::null()).status();
        drop(unmounted);
    }
}
