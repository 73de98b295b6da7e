//! What a process and its children have cost.

use test_support::stack::ServerProcess;
use tokio::process::Command;

const CHILDREN: &str =
    "for n in $(seq 150); do sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done'; done";

#[tokio::test]
async fn a_cost_does_not_fall_when_a_child_ends() {
    let dir = std::env::temp_dir().join(format!("boutique-cost-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", CHILDREN]);
    let spawned = ServerProcess::spawn(command, &dir.join("log"), &dir.join("pid"));
    let process = spawned.unwrap();
    let mut most = 0;
    loop {
        let cost = process.cost().cpu_micros;
        if !process.is_alive() {
            break;
        }
        assert!(cost >= most, "{cost} µs after {most}");
        most = cost;
        tokio::task::yield_now().await;
    }
    assert!(most > 0);
    std::fs::remove_dir_all(dir).unwrap();
}
