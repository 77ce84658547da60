//! Refuses file systems on which SQLite's locks and shared memory do not hold.

use std::path::{Path, PathBuf};

use crate::store::StoreError;

/// File systems shared between hosts (SQLite, "WAL does not work over a network filesystem").
const NETWORK: [&str; 19] = [
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "davfs",
    "fuse.ceph",
    "fuse.davfs2",
    "fuse.glusterfs",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.sshfs",
    "gfs2",
    "glusterfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "smb3",
    "smbfs",
];

/// Fails if the file is (or would be) on a network file system; where the mounts cannot be read nothing is refused.
pub(super) fn refuse_network(file: &Path) -> Result<(), StoreError> {
    let folder = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().map_err(|error| {
        StoreError::Unavailable(format!("{} cannot be opened: {error}", folder.display()))
    })?;
    let Ok(mounts) = std::fs::read_to_string("/proc/self/mounts") else { return Ok(()) };
    match network_mount(&mounts, &folder) {
        None => Ok(()),
        Some((mount, kind)) => Err(StoreError::engine(format!(
            "{} is on {}, a network file system ({kind}), where an embedded store would be damaged: \
             put the data directory on a local disk, or use MongoDB",
            folder.display(),
            mount.display(),
        ))),
    }
}

/// The mount a folder is on, with its type, if that is a network file system.
fn network_mount<'m>(mounts: &'m str, folder: &Path) -> Option<(PathBuf, &'m str)> {
    let (mount, kind) = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((PathBuf::from(unescape(fields.next()?)), fields.next()?))
        })
        .filter(|(mount, _)| folder.starts_with(mount))
        // The last of equals: a later mount covers an earlier one.
        .max_by_key(|(mount, _)| mount.components().count())?;
    NETWORK.contains(&kind).then_some((mount, kind))
}

/// Undoes the octal escapes of blanks, tabs, line ends and backslashes (proc_mounts(5), getmntent(3)).
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "/dev/sda1 / ext4 rw 0 0\nhost:/x /srv nfs4 rw 0 0\n/dev/sdb /srv/local xfs rw 0 0\n\
                          host:/y /mnt/my\\040share cifs rw 0 0\n/dev/sdc /mnt/my\\040share/disk ext4 rw 0 0\n\
                          /dev/sdd /twice ext4 rw 0 0\nhost:/z /twice nfs rw 0 0\n";

    #[rstest::rstest]
    #[case("/home/data", None)]
    #[case("/srv/data", Some("nfs4"))]
    #[case("/srvdata", None)]
    #[case("/srv/local/data", None)]
    #[case("/mnt/my share", Some("cifs"))]
    #[case("/mnt/my share/disk/data", None)]
    #[case("/twice/data", Some("nfs"))]
    fn the_nearest_mount_decides(#[case] folder: &str, #[case] kind: Option<&str>) {
        assert_eq!(network_mount(MOUNTS, Path::new(folder)).map(|(_, kind)| kind), kind);
    }
}
