use super::{Command, Millis, Scheduler, jobs::Waiting, queues::Timer};

impl Scheduler {
    /// Says which jobs begin to wait for an executor, or go on because there is one.
    ///
    /// It looks at the jobs only when there is no executor, or when that has just changed.
    pub(super) fn tell_waiting(&mut self, now: Millis, commands: &mut Vec<Command>) {
        let no_executor = self.executors.accepting() == 0;
        if !no_executor && self.waiting == 0 {
            return;
        }
        for (id, job) in &mut self.jobs.live {
            if no_executor && job.pending > 0 && job.waiting.is_none() {
                let until = job.options.executor_wait.map(|wait| now.after(wait));
                self.index.timers.extend(until.map(|until| (until, Timer::ExecutorWait(*id))));
                job.waiting = Some(Waiting { since: now, until });
                self.waiting += 1;
                let reason = format!("no executor for {} tasks", job.pending);
                commands.push(Command::Waiting { job: *id, reason });
            } else if !no_executor && let Some(waiting) = job.waiting.take() {
                self.waiting -= 1;
                self.index.forget_wait(*id, waiting);
                commands.push(Command::GoesOn { job: *id });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use howdah_proto::MemberId;

    use super::*;
    use crate::scheduler::{JobOptions, fixture::*};

    #[test]
    fn a_job_without_executors_says_that_it_waits_and_then_that_it_goes_on() {
        let mut scheduler = cluster(&[1]);
        scheduler.submit(tasks(2));
        let commands = scheduler.on_executor_lost(MemberId(1), "gone", START);
        let [Command::Retrying { .. }, Command::Waiting { job: JOB, reason }] = &commands[..] else {
            panic!("{commands:?}")
        };
        assert_eq!(reason, "no executor for 2 tasks");
        // Nothing is said twice, and an executor without slots is none.
        assert_eq!(scheduler.on_tick(START), []);
        assert_eq!(scheduler.on_executor_registered(MemberId(2), 0, "host2", START), []);
        let commands = scheduler.on_executor_registered(MemberId(3), 1, "host3", START);
        assert!(
            matches!(commands[..], [Command::GoesOn { job: JOB }, Command::Launch { .. }]),
            "{commands:?}"
        );
    }

    #[test]
    fn a_job_gives_up_after_the_wait_that_the_user_set() {
        let wait = Duration::from_secs(30);
        let mut scheduler =
            cluster_with(&[], JobOptions { executor_wait: Some(wait), ..without_speculation() });
        scheduler.submit(tasks(1));
        let due = START.after(wait);
        assert_eq!(scheduler.next_deadline(), Some(due));
        let commands = scheduler.on_tick(due);
        let text = error(&commands).map(ToString::to_string).unwrap_or_default();
        assert_eq!(text, "job 1 waited 30 s and no executor came; start one, or allow a longer wait");
        assert!(scheduler.is_clean());
    }

    #[test]
    fn a_job_that_goes_on_in_time_waits_afresh_the_next_time() {
        let wait = Duration::from_secs(30);
        let mut scheduler =
            cluster_with(&[], JobOptions { executor_wait: Some(wait), ..without_speculation() });
        scheduler.submit(tasks(1));
        scheduler.on_executor_registered(MemberId(1), 1, "host1", START);
        assert_eq!(scheduler.next_deadline(), None);
        let later = Millis(20_000);
        scheduler.on_executor_lost(MemberId(1), "gone", later);
        assert_eq!(scheduler.next_deadline(), Some(later.after(wait)));
    }
}
