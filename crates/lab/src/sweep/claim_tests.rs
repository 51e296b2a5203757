//! Claims as two processes would see them: each `Claims` is one.

use super::*;

const PACE: Pace = Pace { beat: Duration::from_millis(5), stale: Duration::from_millis(60) };

fn pair() -> (tempfile::TempDir, Claims, Claims) {
    let dir = tempfile::tempdir().unwrap();
    let claims = || Claims::new(dir.path().join("claims"), PACE);
    let both = (claims(), claims());
    (dir, both.0, both.1)
}

/// What a machine that lost power leaves behind: a claim that nobody changes, from another kernel.
fn left_behind(claims: &Claims, id: &str) {
    fs::create_dir_all(&claims.dir).unwrap();
    let note = Note {
        host: "elsewhere".into(),
        pid: 1,
        boot: "another".into(),
        token: "dead".into(),
        beat: 7,
        released: false,
    };
    fs::write(numbered(&claims.dir, id, 1), serde_json::to_string(&note).unwrap()).unwrap();
}

#[test]
fn one_of_two_gets_it_and_the_other_after_its_release() {
    let (_dir, a, b) = pair();
    let mine = a.take("r").unwrap().unwrap();
    assert!(b.take("r").unwrap().is_none());
    assert!(mine.valid() && !mine.lost());
    drop(mine);
    let other = b.take("r").unwrap().expect("released");
    assert_eq!(other.held.number, 2);
    assert!(a.take("r").unwrap().is_none());
    other.finished();
    assert_eq!(fs::read_dir(&a.dir).unwrap().count(), 0, "a finished run leaves no claims");
}

#[test]
fn of_many_at_once_exactly_one_gets_it() {
    let (_dir, a, _) = pair();
    for round in 0..50 {
        let id = format!("r{round}");
        let barrier = std::sync::Barrier::new(4);
        let got: usize = std::thread::scope(|s| {
            let one = || {
                let mine = Claims::new(a.dir.clone(), PACE);
                barrier.wait();
                let claim = mine.take(&id).unwrap();
                let got = usize::from(claim.is_some());
                barrier.wait();
                got
            };
            let all: Vec<_> = (0..4).map(|_| s.spawn(one)).collect();
            all.into_iter().map(|t| t.join().unwrap()).sum()
        });
        assert_eq!(got, 1);
    }
}

#[test]
fn a_claim_that_stands_still_is_taken_over_and_one_that_moves_is_not() {
    let (_dir, a, b) = pair();
    left_behind(&a, "r");
    assert!(a.take("r").unwrap().is_none(), "just seen for the first time");
    std::thread::sleep(PACE.stale);
    let mine = a.take("r").unwrap().expect("it has not moved for long enough");
    assert_eq!(mine.held.number, 2);
    // As if it came from elsewhere, so that only its changes tell that its holder lives.
    locked(&mine.held.state).note.boot = "another".into();
    for _ in 0..6 {
        a.beat();
        assert!(b.take("r").unwrap().is_none());
        std::thread::sleep(PACE.stale / 4);
    }
}

#[test]
fn a_dead_holder_on_this_machine_is_known_at_once() {
    let (_dir, a, b) = pair();
    if system("/proc/sys/kernel/random/boot_id").is_empty() {
        return;
    }
    let mine = a.take("r").unwrap().unwrap();
    // A kill closes the file, and with it the lock, without a word in it.
    let copy = fs::read(&mine.held.path).unwrap();
    drop(mine);
    fs::write(numbered(&a.dir, "r", 1), copy).unwrap();
    assert!(b.take("r").unwrap().is_some());
}

#[test]
fn a_holder_that_slept_too_long_notices_before_it_writes() {
    let (_dir, a, b) = pair();
    let mine = a.take("r").unwrap().unwrap();
    {
        let mut state = locked(&mine.held.state);
        state.note.boot = "another".into();
        state.write().unwrap();
    }
    assert!(b.take("r").unwrap().is_none());
    std::thread::sleep(PACE.stale);
    let theirs = b.take("r").unwrap().expect("taken over");
    assert!(!mine.valid() && mine.lost());
    assert!(theirs.valid());
    drop(mine);
    assert!(theirs.valid(), "the old holder's end changes nothing");
}
