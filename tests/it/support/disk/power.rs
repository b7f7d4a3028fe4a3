//! Computes the files that a power cut leaves after a recorded run.
//!
//! Only synced data are guaranteed to be on the disk. Syncing a file saves its content, and syncing its directory saves
//! its name. Other data may be missing, in units of one sector.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
};

use crate::support::random::Random;

const MAGIC: u32 = 0x7e55_e7a1;
const HEAD: usize = 32;
/// The number of bytes that a disk writes atomically.
const SECTOR: usize = 512;

/// A recorded call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Write {
        inode: u64,
        at: usize,
        data: Vec<u8>,
    },
    /// Truncates or extends a file.
    Truncate {
        inode: u64,
        length: usize,
    },
    /// Extends a file unless it is long enough.
    Extend {
        inode: u64,
        length: usize,
    },
    /// Syncs the calls that were in the record when it started.
    Sync {
        inode: u64,
        path: PathBuf,
        begun: usize,
    },
    Create {
        inode: u64,
        path: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Link {
        from: PathBuf,
        to: PathBuf,
    },
    Unlink {
        path: PathBuf,
    },
    MakeDir {
        path: PathBuf,
    },
    /// A note of the test: a response to a client.
    Mark(String),
}

/// A recorded run.
pub(crate) struct Run {
    before: PathBuf,
    root: PathBuf,
    inodes: HashMap<u64, PathBuf>,
    /// The calls with their positions in the record.
    pub(crate) calls: Vec<(usize, Call)>,
}

/// The part of the unsynced data that survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nothing.
    Nothing,
    /// A random selection of sectors.
    Some(u64),
    /// All, as after `kill -9`.
    All,
}

/// The disk during the replay of a run.
pub(crate) struct Replay<'a> {
    run: &'a Run,
    next: usize,
    files: Vec<File>,
    by_inode: HashMap<u64, usize>,
    /// The names as the process sees them. `None` is a directory.
    names: BTreeMap<PathBuf, Option<usize>>,
    synced_names: BTreeMap<PathBuf, Option<usize>>,
    /// Unsynced changes of names, with their position and directory.
    unsynced_names: Vec<(usize, PathBuf, Name)>,
}

#[derive(Clone, Default)]
struct File {
    synced: Vec<u8>,
    unsynced: Vec<(usize, Change)>,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
    Extend(usize),
}

#[derive(Clone)]
enum Name {
    Add(PathBuf, Option<usize>),
    Remove(PathBuf),
    /// A removal and a creation in one step.
    Move(PathBuf, PathBuf, Option<usize>),
}

/// Copies the files below `root`, as they are before a run, to `to`. Returns the file of each inode.
pub(crate) fn copy(root: &Path, to: &Path) -> HashMap<u64, PathBuf> {
    let mut inodes = HashMap::new();
    fs::create_dir_all(to).expect("a directory");
    for path in below(root) {
        let inside = path.strip_prefix(root).expect("below the root");
        if path.is_dir() {
            fs::create_dir_all(to.join(inside)).expect("a directory");
        } else if path.is_file() {
            fs::copy(&path, to.join(inside)).expect("a copy");
            inodes.insert(fs::metadata(&path).expect("metadata").ino(), path);
        }
    }
    inodes
}

/// Returns the files and directories below `root`, parents first.
pub(crate) fn below(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                open.push(entry.clone());
            }
            found.push(entry);
        }
    }
    found.sort();
    found
}

impl Run {
    /// Reads the record of a run below `root`. `before` contains the files before the run.
    pub(crate) fn read(record: &Path, root: &Path, before: &Path, inodes: HashMap<u64, PathBuf>) -> Self {
        let bytes = fs::read(record).expect("the record");
        let mut calls = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let number =
                |from: usize| u32::from_le_bytes(bytes[at + from..][..4].try_into().expect("4 bytes"));
            let long = |from: usize| u64::from_le_bytes(bytes[at + from..][..8].try_into().expect("8 bytes"));
            assert_eq!(number(0), MAGIC, "the record is whole");
            let (path, data) = (number(24) as usize, number(28) as usize);
            let text = |range: &[u8]| PathBuf::from(String::from_utf8(range.to_vec()).expect("a path"));
            let body = &bytes[at + HEAD..][..path + data];
            let (path, data) = (text(&body[..path]), &body[path..]);
            let (inode, value) = (long(8), usize::try_from(long(16)).expect("an offset"));
            let call = match number(4) {
                1 => Call::Write { inode, at: value, data: data.to_vec() },
                2 => Call::Truncate { inode, length: value },
                3 => Call::Sync { inode, path, begun: value },
                4 => Call::Create { inode, path },
                5 => Call::Rename { from: path, to: text(data) },
                6 => Call::Unlink { path },
                7 => Call::MakeDir { path },
                8 => Call::Extend { inode, length: value },
                9 => Call::Mark(String::from_utf8(data.to_vec()).expect("text")),
                10 => Call::Link { from: path, to: text(data) },
                other => panic!("an unknown call: {other}"),
            };
            calls.push((at, call));
            at += HEAD + body.len();
        }
        Self { before: before.to_owned(), root: root.to_owned(), inodes, calls }
    }

    /// Starts to replay the run.
    pub(crate) fn replay(&self) -> Replay<'_> {
        let mut names = BTreeMap::new();
        let mut files = Vec::new();
        let mut by_inode = HashMap::new();
        names.insert(self.root.clone(), None);
        let inode_of: HashMap<&PathBuf, &u64> =
            self.inodes.iter().map(|(inode, path)| (path, inode)).collect();
        for copied in below(&self.before) {
            let path = self.root.join(copied.strip_prefix(&self.before).expect("below"));
            if copied.is_dir() {
                names.insert(path, None);
            } else {
                by_inode.insert(*inode_of[&path], files.len());
                names.insert(path, Some(files.len()));
                files.push(File { synced: fs::read(copied).expect("a file"), unsynced: Vec::new() });
            }
        }
        let synced_names = names.clone();
        Replay { run: self, next: 0, files, by_inode, names, synced_names, unsynced_names: Vec::new() }
    }
}

/// Appends a note to a record, in the same format as the process.
pub(crate) fn mark(record: &mut fs::File, text: &str) {
    let mut bytes = Vec::new();
    bytes.extend(MAGIC.to_le_bytes());
    bytes.extend(9_u32.to_le_bytes());
    bytes.extend([0; 20]);
    bytes.extend(u32::try_from(text.len()).expect("short").to_le_bytes());
    bytes.extend(text.as_bytes());
    std::io::Write::write_all(record, &bytes).expect("the record");
}

impl<'a> Replay<'a> {
    /// Replays one more call and returns it. Returns `None` at the end.
    pub(crate) fn step(&mut self) -> Option<&'a Call> {
        let (at, call) = self.run.calls.get(self.next)?;
        self.next += 1;
        match call {
            Call::Write { inode, at: offset, data } => {
                self.change(*at, *inode, Change::Write(*offset, data.clone()));
            }
            Call::Truncate { inode, length } => self.change(*at, *inode, Change::Truncate(*length)),
            Call::Extend { inode, length } => self.change(*at, *inode, Change::Extend(*length)),
            Call::Sync { inode, path, begun } => self.sync(*inode, path, *begun),
            Call::Create { inode, path } => {
                self.by_inode.insert(*inode, self.files.len());
                self.name(*at, path, Name::Add(path.clone(), Some(self.files.len())));
                self.files.push(File::default());
            }
            Call::MakeDir { path } => self.name(*at, path, Name::Add(path.clone(), None)),
            Call::Unlink { path } => self.name(*at, path, Name::Remove(path.clone())),
            Call::Link { from, to } => {
                if let Some(file) = self.names.get(from).copied() {
                    self.name(*at, to, Name::Add(to.clone(), file));
                }
            }
            Call::Rename { from, to } => match self.names.get(from).copied() {
                Some(file) => self.name(*at, to, Name::Move(from.clone(), to.clone(), file)),
                // The shim did not see how the file was created, so its content is unknown.
                None => self.name(*at, to, Name::Remove(to.clone())),
            },
            Call::Mark(_) => {}
        }
        Some(call)
    }

    /// Writes the files that a power cut leaves now to `to`.
    pub(crate) fn cut(&self, left: Left, to: &Path) {
        let mut random = Random::new(if let Left::Some(seed) = left { seed } else { 0 });
        let owner = fs::metadata(to).expect("metadata");
        let mut names = self.synced_names.clone();
        let kept = match left {
            Left::Nothing => 0,
            // A journaling file system keeps the order of changes of names.
            Left::Some(_) => random.below(self.unsynced_names.len() + 1),
            Left::All => self.unsynced_names.len(),
        };
        for (_, _, name) in &self.unsynced_names[..kept] {
            name.apply(&mut names);
        }
        for (path, file) in &names {
            let Ok(inside) = path.strip_prefix(&self.run.root) else { continue };
            let path = to.join(inside);
            if !path.parent().is_some_and(Path::exists) {
                continue;
            }
            match file {
                None => drop(fs::create_dir(&path)),
                Some(file) => fs::write(&path, self.files[*file].left(left, &mut random)).expect("a file"),
            }
            restrict(&path, owner.uid(), owner.gid());
        }
    }

    fn change(&mut self, at: usize, inode: u64, change: Change) {
        let files = &mut self.files;
        let file = *self.by_inode.entry(inode).or_insert_with(|| {
            files.push(File::default());
            files.len() - 1
        });
        files[file].unsynced.push((at, change));
    }

    fn name(&mut self, at: usize, path: &Path, name: Name) {
        name.apply(&mut self.names);
        let parent = path.parent().expect("a directory").to_owned();
        self.unsynced_names.push((at, parent, name));
    }

    fn sync(&mut self, inode: u64, path: &Path, begun: usize) {
        if self.names.get(path).is_some_and(Option::is_none) {
            let names = &mut self.synced_names;
            self.unsynced_names.retain(|(at, parent, name)| {
                let covered = parent == path && *at < begun;
                if covered {
                    name.apply(names);
                }
                !covered
            });
        } else if let Some(file) = self.by_inode.get(&inode) {
            let File { synced, unsynced } = &mut self.files[*file];
            unsynced.retain(|(at, change)| {
                let covered = *at < begun;
                if covered {
                    change.apply(synced);
                }
                !covered
            });
        }
    }
}

impl File {
    fn left(&self, left: Left, random: &mut Random) -> Vec<u8> {
        let mut content = self.synced.clone();
        for (_, change) in &self.unsynced {
            match (left, change) {
                (Left::Nothing, _) => {}
                (Left::All, change) => change.apply(&mut content),
                (Left::Some(_), Change::Write(at, data)) => {
                    let mut from = 0;
                    while from < data.len() {
                        let to = data.len().min(from + SECTOR - (at + from) % SECTOR);
                        if random.chance(50) {
                            Change::Write(at + from, data[from..to].to_vec()).apply(&mut content);
                        }
                        from = to;
                    }
                }
                (Left::Some(_), change) => {
                    if random.chance(50) {
                        change.apply(&mut content);
                    }
                }
            }
        }
        content
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write(at, data) => {
                let end = at + data.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*at..end].copy_from_slice(data);
            }
            Self::Truncate(length) => content.resize(*length, 0),
            Self::Extend(length) => content.resize(content.len().max(*length), 0),
        }
    }
}

impl Name {
    fn apply(&self, names: &mut BTreeMap<PathBuf, Option<usize>>) {
        match self {
            Self::Add(path, file) => drop(names.insert(path.clone(), *file)),
            Self::Remove(path) => drop(names.remove(path)),
            Self::Move(from, to, file) => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
        }
    }
}

/// PostgreSQL requires that only its user can access its files.
fn restrict(path: &Path, user: u32, group: u32) {
    let mode = if path.is_dir() { 0o700 } else { 0o600 };
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).expect("its mode");
    if user != fs::metadata(path).expect("metadata").uid() {
        chown(path, Some(user), Some(group)).expect("its owner");
    }
}
