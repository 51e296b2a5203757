use super::*;
use std::sync::mpsc;
use std::time::Duration;

/// What `work` gives, or a panic when it hangs.
pub(crate) fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || send.send(work()));
    receive.recv_timeout(Duration::from_secs(60)).expect("it hangs")
}

/// Makes a named pipe that nobody writes to.
#[cfg(unix)]
pub(crate) fn pipe(path: &Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn names(root: &Path) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    walk(root, &mut |item| {
        names.push(item.inside.clone());
        Ok(())
    })
    .map_err(|e| e.to_string())?;
    Ok(names)
}

fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in ["b/2", "b/1", "a"] {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, name).unwrap();
    }
    dir
}

#[cfg(unix)]
#[test]
fn only_regular_files_are_opened() {
    use std::os::unix::net::UnixListener;
    let dir = tree();
    pipe(&dir.path().join("pipe"));
    let _listener = UnixListener::bind(dir.path().join("socket")).unwrap();
    for (path, what) in [
        (dir.path().join("pipe"), "a named pipe, not a regular file"),
        (dir.path().join("socket"), "a socket, not a regular file"),
        (PathBuf::from("/dev/zero"), "a device, not a regular file"),
        (dir.path().join("b"), "a folder where a file was expected"),
        (dir.path().join("nowhere"), "nowhere"),
    ] {
        let text = in_time(move || read(&path).unwrap_err().to_string());
        assert!(text.contains(what), "{text}");
    }
    assert_eq!(read(&dir.path().join("b/1")).unwrap(), b"b/1");
}

#[cfg(unix)]
#[test]
fn what_is_hidden_is_not_even_looked_at() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let dir = tree();
    let at = |name: &str| dir.path().join(name);
    symlink("nowhere", at("b/.#lock")).unwrap();
    for folder in [".Trash-1000", "lost+found", "b/@eaDir", "__MACOSX"] {
        std::fs::create_dir(at(folder)).unwrap();
        std::fs::write(at(folder).join("x.png"), "").unwrap();
        // For whoever is not root, who may read everything.
        std::fs::set_permissions(at(folder), PermissionsExt::from_mode(0o000)).unwrap();
    }
    pipe(&at("b/.pipe"));
    std::fs::write(at(".DS_Store"), "").unwrap();
    let found = names(dir.path());
    for folder in [".Trash-1000", "lost+found", "b/@eaDir", "__MACOSX"] {
        std::fs::set_permissions(at(folder), PermissionsExt::from_mode(0o700)).unwrap();
    }
    assert_eq!(found.unwrap(), ["a", "b", "b/1", "b/2"]);
    // The near misses of what is hidden.
    for name in ["lost+found2", "a.b"] {
        std::fs::write(at(name), "").unwrap();
    }
    assert_eq!(names(dir.path()).unwrap(), ["a", "a.b", "b", "b/1", "b/2", "lost+found2"]);
}

#[cfg(unix)]
#[test]
fn links_are_followed_but_not_to_nowhere_or_in_circles() {
    use std::os::unix::fs::symlink;
    let dir = tree();
    let at = |name: &str| dir.path().join(name);
    symlink(at("b"), at("c")).unwrap();
    assert_eq!(names(dir.path()).unwrap(), ["a", "b", "b/1", "b/2", "c", "c/1", "c/2"]);
    symlink("nowhere", at("b/3")).unwrap();
    let text = names(dir.path()).unwrap_err();
    assert!(text.contains("b/3: a link that leads nowhere: mend it or remove it"), "{text}");
    std::fs::remove_file(at("b/3")).unwrap();
    symlink("..", at("b/up")).unwrap();
    let text = names(dir.path()).unwrap_err();
    assert!(text.contains("b/up: a link to a folder that it lies in"), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_no_text_are_named() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tree();
    let name = std::ffi::OsStr::from_bytes(b"b/\xFF\x1B[2J");
    std::fs::write(dir.path().join(name), "").unwrap();
    let text = names(dir.path()).unwrap_err();
    assert!(text.ends_with("b/\u{FFFD}\\u{1b}[2J: its name is not Unicode: rename it"), "{text}");
}
