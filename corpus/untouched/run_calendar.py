"""Time stamps and durations: dates are moved by `+=`, time deltas scaled by `*=` and `/=`."""

from datetime import date, datetime, timedelta


class Schedule:
    """Plans evaluation runs between two moments."""

    def __init__(self, start, every):
        self.next = start
        self.every = every
        self.elapsed = timedelta(0)

    def until(self, end):
        runs = []
        while self.next < end:
            runs.append(self.next)
            self.next += self.every
            self.elapsed += self.every
        return runs


def business_days(start, count):
    """The next `count` days that are no weekend."""
    days, day = [], start
    while len(days) < count:
        day += timedelta(days=1)
        if day.weekday() < 5:
            days += [day]
    return days


def main():
    schedule = Schedule(datetime(2024, 2, 28, 22), timedelta(hours=5))
    runs = schedule.until(datetime(2024, 3, 1))
    mean = schedule.elapsed
    mean /= len(runs)
    budget = timedelta(minutes=30)
    budget *= len(runs)
    budget -= timedelta(minutes=15)
    return {
        "runs": [r.isoformat() for r in runs],
        "mean": mean.total_seconds(),
        "budget": budget.total_seconds(),
        "days": [d.isoformat() for d in business_days(date(2024, 3, 1), 3)],
    }


if __name__ == "__main__":
    print(main())
