use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::rdd::{Failure, codec};

#[derive(Default)]
struct Counted(AtomicU32);

impl Objects for Counted {
    fn object(&self, id: ObjectId) -> Result<Bytes, RddError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        if id == ObjectId(9) {
            return Err(RddError::Driver { what: "object 9".to_owned(), reason: "it is gone".to_owned() });
        }
        Ok(codec::to_vec(&vec!["a".to_owned(), "b".to_owned()]).unwrap().into())
    }
}

fn reach(objects: &Arc<Counted>, cache: &Arc<BroadcastCache>) -> Reach {
    Reach {
        context: ContextKey(1),
        objects: objects.clone(),
        cache: cache.clone(),
        surroundings: Surroundings::default(),
    }
}

#[test]
fn what_a_task_adds_is_summed_for_each_accumulator() {
    let scope = Scope::enter(reach(&Arc::default(), &Arc::default()));
    let (count, loss) =
        (Accumulator::<u32>::new(AccumulatorId(1)), Accumulator::<f64>::new(AccumulatorId(2)));
    (0..5).for_each(|number| count.add(number));
    loss.add(0.5);
    loss.add(-1.0);
    let expected = vec![
        (AccumulatorId(1), AccumulatorValue::Unsigned(10)),
        (AccumulatorId(2), AccumulatorValue::Float(-0.5)),
    ];
    assert_eq!(scope.take_updates(), expected);
    assert_eq!(scope.take_updates(), vec![]);
}

#[test]
fn nothing_is_added_outside_of_a_task() {
    let count = Accumulator::<u64>::new(AccumulatorId(1));
    count.add(3);
    let scope = Scope::enter(reach(&Arc::default(), &Arc::default()));
    assert_eq!(scope.take_updates(), vec![]);
}

#[test]
fn a_broadcast_value_is_fetched_once_until_its_context_ends() {
    let (objects, cache) = (Arc::<Counted>::default(), Arc::<BroadcastCache>::default());
    let words = Broadcast::<Vec<String>>::new(ObjectId(4));
    for _ in 0..3 {
        let _scope = Scope::enter(reach(&objects, &cache));
        assert_eq!(*words.value().unwrap(), ["a", "b"]);
        assert_eq!(*words.value().unwrap(), ["a", "b"]);
    }
    assert_eq!(objects.0.load(Ordering::Relaxed), 1);
    cache.clear(ContextKey(1));
    let _scope = Scope::enter(reach(&objects, &cache));
    assert!(words.value().is_ok());
    assert_eq!(objects.0.load(Ordering::Relaxed), 2);
}

#[test]
fn what_is_made_of_a_broadcast_value_is_made_once_until_its_context_ends() {
    let (objects, cache) = (Arc::<Counted>::default(), Arc::<BroadcastCache>::default());
    let words = Broadcast::<Vec<String>>::new(ObjectId(4));
    let length = |words: &Vec<String>, _: &Surroundings| Ok(words.concat().len());
    for _ in 0..3 {
        let _scope = Scope::enter(reach(&objects, &cache));
        assert_eq!(*words.made(length).unwrap(), 2);
    }
    assert_eq!(objects.0.load(Ordering::Relaxed), 1);
    cache.clear(ContextKey(1));
    let _scope = Scope::enter(reach(&objects, &cache));
    let failure = words.made(|_, _| Err::<u8, _>(Failure::fatal("no good"))).unwrap_err();
    assert_eq!(failure, Failure::fatal("no good"));
    assert_eq!(*words.made(length).unwrap(), 2);
}

#[test]
fn a_broadcast_value_that_can_not_be_had_says_why() {
    let outside = Broadcast::<u8>::new(ObjectId(4)).value().unwrap_err();
    assert_eq!(outside, Failure::fatal("broadcast value 4 can be read in a task alone"));
    let _scope = Scope::enter(reach(&Arc::default(), &Arc::default()));
    let gone = Broadcast::<u8>::new(ObjectId(9)).value().unwrap_err();
    assert_eq!(gone, Failure::new("the driver did not give object 9: it is gone"));
    let other = Broadcast::<u8>::new(ObjectId(4)).value().unwrap_err();
    assert_eq!(other.again, crate::rdd::Again::No);
}

#[test]
fn a_handle_survives_the_parameters_of_a_function() {
    let handle = Accumulator::<i64>::new(AccumulatorId(7));
    let json = serde_json::to_value(handle).unwrap();
    assert_eq!(json, serde_json::json!({"id": 7}));
    let back: Accumulator<i64> = serde_json::from_value(json).unwrap();
    assert_eq!(back.id(), AccumulatorId(7));
}
