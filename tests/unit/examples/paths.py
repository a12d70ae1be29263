"""The ways through the ten example journeys that must stay as they are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from hogsend.examples.classic import (
    activation,
    churn,
    conversion,
    feedback,
    reactivation,
    retention,
    smoke,
)
from hogsend.kernel.wire_json import JsonValue
from hogsend.testing import Deed


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """``deeds`` follow the trigger; ``sent`` are the templates in order."""

    journey: Callable[[Any, Any], Awaitable[object]]
    name: str
    trigger: Mapping[str, JsonValue] = field(default_factory=dict)
    deeds: tuple[Deed, ...] = ()
    sent: tuple[str, ...] = ()
    status: str = "completed"
    triggered: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.journey.__name__}-{self.name}".replace("_", "-")


def deed(event: str, *, properties: Mapping[str, JsonValue] | None = None, **after: float) -> Deed:
    return Deed(event=event, properties=properties or {}, after=timedelta(**after))


QUICKSTART = "activation-quickstart"
HIGHLIGHT = "activation-feature-highlight"
NUDGE = "activation-nudge"
COMMUNITY = "activation-community"
MILESTONE = "conversion-usage-milestone"
EXPIRING = "conversion-trial-expiring"
OFFER = "conversion-winback-offer"
ACHIEVEMENT = "retention-achievement"
SURVEY = "feedback-nps-survey"
CHECKIN = "reactivation-checkin"
PAYMENT = "churn-payment-failed"

PATHS = [
    Path(
        journey=activation.activation_welcome,
        name="began",
        deeds=(deed("feature.used", hours=20),),
        sent=(QUICKSTART, HIGHLIGHT, COMMUNITY),
    ),
    Path(
        journey=activation.activation_welcome,
        name="time-ran-out",
        sent=(QUICKSTART, NUDGE, COMMUNITY),
    ),
    Path(
        journey=activation.activation_welcome,
        name="exit",
        deeds=(deed("user.deleted", days=1),),
        sent=(QUICKSTART,),
        status="exited",
    ),
    Path(
        journey=activation.activation_nudge_series,
        name="well-on-the-way",
        deeds=(
            deed("feature.used", days=1),
            deed("setup.completed", hours=1),
            deed("value.delivered", days=3),
        ),
        sent=(HIGHLIGHT, COMMUNITY),
    ),
    Path(
        journey=activation.activation_nudge_series,
        name="time-ran-out",
        sent=(NUDGE, QUICKSTART, COMMUNITY),
    ),
    Path(
        journey=activation.activation_nudge_series,
        name="exit",
        deeds=(deed("user.activated", days=3, hours=1),),
        sent=(NUDGE, QUICKSTART),
        status="exited",
    ),
    Path(
        journey=conversion.conversion_trial_upgrade,
        name="tried-a-paid-feature",
        deeds=(deed("paid_feature.tried", days=5),),
        sent=(MILESTONE, MILESTONE, EXPIRING, EXPIRING, OFFER),
    ),
    Path(
        journey=conversion.conversion_trial_upgrade,
        name="time-ran-out",
        sent=(MILESTONE, EXPIRING, EXPIRING, OFFER),
    ),
    Path(
        journey=conversion.conversion_trial_upgrade,
        name="exit",
        deeds=(deed("subscription.created", days=11),),
        sent=(MILESTONE, EXPIRING),
        status="exited",
    ),
    Path(
        journey=conversion.conversion_abandoned_checkout,
        name="paid-elsewhere",
        trigger={"checkoutUrl": "https://example.com/c/1"},
        deeds=(deed("checkout.completed", minutes=30),),
        status="exited",
    ),
    Path(
        journey=conversion.conversion_abandoned_checkout,
        name="time-ran-out",
        trigger={"checkoutUrl": "https://example.com/c/1"},
        sent=(EXPIRING, OFFER),
    ),
    Path(
        journey=conversion.conversion_abandoned_checkout,
        name="exit",
        deeds=(deed("subscription.created", hours=5),),
        sent=(EXPIRING,),
        status="exited",
    ),
    Path(
        journey=retention.retention_milestone,
        name="celebrates",
        trigger={"achievementName": "A thousand readers", "stat": "1,000"},
        sent=(ACHIEVEMENT, COMMUNITY),
    ),
    Path(journey=retention.retention_milestone, name="bare", sent=(ACHIEVEMENT, COMMUNITY)),
    Path(
        journey=retention.referral_invite,
        name="around",
        deeds=(deed("session.completed", hours=1),),
        sent=(ACHIEVEMENT,),
    ),
    Path(journey=retention.referral_invite, name="time-ran-out"),
    Path(
        journey=feedback.feedback_nps,
        name="happy",
        deeds=(deed("nps.submitted", properties={"score": 9}, days=15),),
        sent=(SURVEY,),
    ),
    Path(
        journey=feedback.feedback_nps,
        name="unhappy-and-late",
        deeds=(
            deed("nps.submitted", properties={"score": "low"}, days=15),
            deed("nps.submitted", properties={"score": 3}, days=5),
        ),
        sent=(SURVEY, SURVEY),
        triggered=("nps.detractor",),
    ),
    Path(journey=feedback.feedback_nps, name="time-ran-out", sent=(SURVEY, SURVEY)),
    Path(
        journey=feedback.feedback_nps,
        name="exit",
        deeds=(deed("user.deleted", days=16),),
        sent=(SURVEY,),
        status="exited",
    ),
    Path(
        journey=reactivation.reactivation_dormancy,
        name="time-ran-out",
        sent=(CHECKIN, CHECKIN, OFFER, "reactivation-final-nudge"),
        triggered=("user.suppressed",),
    ),
    Path(
        journey=reactivation.reactivation_dormancy,
        name="exit",
        deeds=(deed("bucket:left:went-dormant", days=10),),
        sent=(CHECKIN, CHECKIN),
        status="exited",
    ),
    Path(
        journey=churn.churn_prevention,
        name="time-ran-out",
        sent=(PAYMENT, PAYMENT, PAYMENT),
    ),
    Path(
        journey=churn.churn_prevention,
        name="exit",
        deeds=(deed("payment.succeeded", hours=30),),
        sent=(PAYMENT, PAYMENT),
        status="exited",
    ),
    Path(
        journey=smoke.test_onboarding,
        name="answered",
        deeds=(deed("test.step_done", seconds=30),),
        sent=("welcome",),
        triggered=("test.started", "test.finished"),
    ),
    Path(
        journey=smoke.test_onboarding,
        name="time-ran-out",
        sent=("welcome", "getting-started"),
        triggered=("test.started", "test.finished"),
    ),
    Path(
        journey=smoke.test_onboarding,
        name="exit",
        deeds=(deed("test.cancelled", seconds=30),),
        sent=("welcome",),
        status="exited",
        triggered=("test.started",),
    ),
]
