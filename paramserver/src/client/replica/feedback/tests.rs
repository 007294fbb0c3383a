use howdah_proto::{Epoch, Partition, ShardIndex, Step};

use super::*;

const TASK: TrainTask = TrainTask { epoch: Epoch(1), partition: Partition(0) };

fn place(range: Range<u64>) -> Place {
    Place {
        shard: ShardIndex(0),
        address: "http://127.0.0.1:1".to_owned(),
        range,
        term: Term(1),
        made: Term(1),
    }
}

fn two() -> [Place; 2] {
    [place(0..1), place(1..2)]
}

/// Encodes a push of two shards that loses 1 at the first and 2 at the second.
fn push(feedback: &mut Feedback) -> Vec<Part<'_>> {
    push_to(&two(), feedback)
}

fn push_to<'a>(places: &[Place], feedback: &'a mut Feedback) -> Vec<Part<'a>> {
    let mut parts = feedback.parts(places.iter());
    for (part, lost) in parts.iter_mut().zip([1.0, 2.0]) {
        let Residual { before, after } = part.residual();
        after[0] = before[0] + lost;
    }
    parts
}

fn accepted(feedback: &mut Feedback) -> Vec<f32> {
    feedback.parts(two().iter()).into_iter().map(|part| part.accepted[0]).collect()
}

fn sent(outcome: PushOutcome, was_repeated: bool) -> Sent {
    sent_to(place(0..1), outcome, was_repeated)
}

fn sent_to(place: Place, outcome: PushOutcome, was_repeated: bool) -> Sent {
    Sent { outcome, place, was_repeated }
}

/// Of the first attempt.
fn fence() -> Fence {
    Fence::new(TASK, Attempt(1), Step(4), Step(6)).unwrap()
}

#[test]
fn only_what_accepted_pushes_have_lost_is_made_good() {
    let mark = Step(3);
    let applied = PushOutcome::Applied { mark };
    let (already, gap) = (PushOutcome::AlreadyApplied { mark }, PushOutcome::Gap { mark });
    let mut feedback = Feedback::new(2);
    for (first, second, expected) in [
        (sent(applied, false), sent(already, false), [1.0, 0.0]),
        (sent(already, true), sent(PushOutcome::Late, false), [2.0, 0.0]),
        (sent(applied, true), sent(applied, false), [3.0, 2.0]),
        (sent(gap, false), sent(applied, false), [0.0, 4.0]),
    ] {
        for (part, sent) in push(&mut feedback).into_iter().zip([first, second]) {
            part.settle(&sent);
        }
        assert_eq!(accepted(&mut feedback), expected);
    }
}

#[test]
fn a_push_whose_answer_was_lost_is_settled_by_the_marks_of_the_next_attempt() {
    // Another attempt before the third may have pushed the same steps.
    for (attempt, expected) in [(2, [1.0, 0.0]), (3, [0.0, 0.0])] {
        let mut feedback = Feedback::new(2);
        push(&mut feedback);
        feedback.leave_open(fence(), two().into());
        let mut known = KnownMarks::default();
        known.note(&place(0..1), Step(6));
        known.note(&place(1..2), Step(3));
        feedback.settle_late(TASK, Attempt(attempt), &known);
        feedback.carry();
        assert_eq!(accepted(&mut feedback), expected, "attempt {attempt}");
    }
}

#[test]
fn what_a_push_of_unknown_fate_may_have_brought_is_not_sent_again() {
    let mut feedback = Feedback::new(2);
    let applied = sent(PushOutcome::Applied { mark: Step(3) }, false);
    push(&mut feedback).into_iter().for_each(|part| part.settle(&applied));
    push(&mut feedback);
    feedback.leave_open(fence(), vec![place(0..1)]);
    let other = TrainTask { partition: Partition(1), ..TASK };
    feedback.settle_late(other, Attempt(2), &KnownMarks::default());
    assert_eq!(accepted(&mut feedback), [0.0, 2.0]);
    assert_eq!(accepted(&mut feedback), [0.0, 2.0]);
}

#[test]
fn what_is_encoded_anew_is_not_taken_for_the_copy_that_was_applied() {
    let mut feedback = Feedback::new(2);
    push(&mut feedback);
    feedback.leave_open(fence(), vec![place(0..1)]);
    let already = sent(PushOutcome::AlreadyApplied { mark: Step(6) }, true);
    push(&mut feedback).into_iter().for_each(|part| part.settle(&already));
    assert_eq!(accepted(&mut feedback), [0.0, 2.0]);
}

#[test]
fn the_residual_stays_when_the_parameters_are_cut_into_other_shards() {
    let mut feedback = Feedback::new(2);
    let applied = PushOutcome::Applied { mark: Step(3) };
    let ends = [sent(applied, false), sent(PushOutcome::Late, false)];
    push(&mut feedback).into_iter().zip(ends).for_each(|(part, sent)| part.settle(&sent));
    let whole = feedback.parts([place(0..2)].iter());
    assert_eq!(whole[0].accepted, [1.0, 0.0]);
    assert_eq!(accepted(&mut feedback), [1.0, 0.0]);
}

#[test]
fn a_new_attempt_has_the_residual_of_shards_that_were_not_made_anew() {
    let accept = |feedback: &mut Feedback, places: &[Place]| {
        let applied = |place: &Place| sent_to(place.clone(), PushOutcome::Applied { mark: Step(3) }, false);
        push_to(places, feedback)
            .into_iter()
            .zip(places)
            .for_each(|(part, place)| part.settle(&applied(place)));
    };
    // A standby has taken over from the first one.
    let taken_over = Place { term: Term(2), ..place(0..1) };
    let anew = [taken_over, Place { term: Term(2), made: Term(2), ..place(1..2) }];
    let mut feedback = Feedback::new(2);
    accept(&mut feedback, &two());
    feedback.carry();
    assert_eq!(accepted(&mut feedback), [1.0, 2.0]);
    let taken_along: Vec<f32> = feedback.parts(anew.iter()).iter().map(|part| part.accepted[0]).collect();
    assert_eq!(
        taken_along,
        [1.0, 0.0],
        "the second may lack what its residual is of, as late as at the first push"
    );

    accept(&mut feedback, &anew);
    accept(&mut feedback, &two());
    assert_eq!(accepted(&mut feedback), [3.0, 4.0], "within an attempt, a gap would have shown");
}

#[test]
fn a_new_attempt_has_nothing_of_what_was_held_back_in_another_cut() {
    let whole = |feedback: &mut Feedback| feedback.parts([place(0..2)].iter())[0].accepted.to_vec();
    for carries_before in [true, false] {
        let mut feedback = Feedback::new(2);
        let applied = sent(PushOutcome::Applied { mark: Step(3) }, false);
        push(&mut feedback).into_iter().for_each(|part| part.settle(&applied));
        if !carries_before {
            assert_eq!(whole(&mut feedback), [1.0, 2.0]);
        }
        feedback.carry();
        assert_eq!(whole(&mut feedback), [0.0, 0.0], "it isn't known what they have");
    }
}
