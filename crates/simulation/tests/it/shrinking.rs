//! What fails is made simple, and can be had again.

use simulation::of_list;
use simulation::shrink::shrink;

#[test]
fn what_does_not_matter_goes() {
    let list: Vec<u16> = (0..200).map(|n| n % 17).collect();
    let fails = |list: &[u16]| list.iter().filter(|choice| **choice >= 9).count() >= 2;
    assert!(fails(&list));
    let simplest = shrink(list, fails);
    assert_eq!(simplest.len(), 2, "{simplest:?}");
    assert!(fails(&simplest));
}

#[test]
fn what_always_fails_becomes_nothing() {
    assert_eq!(shrink(vec![3, 0, 7, 0], |_| true), Vec::<u16>::new());
}

#[test]
fn the_same_choices_are_the_same_run() {
    let list: Vec<u16> = (0..500).map(|n| n * 79 % 251).collect();
    let (one, other) = (of_list(&list, true), of_list(&list, true));
    assert!(one.log.len() > 10, "{:?}", one.log);
    assert_eq!((one.broken, one.log), (other.broken, other.log));
}
