/** Texts of the screen of notifications. */
export const notifications = {
  title: "Notifications",
  about: "Who is told when runs end, fail or wait: by webhook, Slack or e-mail.",
  add: "New notification",
  emptyTitle: "Nobody is told of anything yet",
  emptyAbout:
    "A notification sends a message when a run completes, fails or waits for a person. Each message is kept with its attempts, and can be sent again.",
  kind: "By",
  kinds: { webhook: "Webhook", slack: "Slack", email: "E-mail" },
  target: "To",
  url: "Address",
  to: "E-mail address",
  events: "When",
  eventNames: {
    "run.completed": "a run has completed",
    "run.failed": "a run has failed",
    "run.interrupted": "a run was interrupted",
    "run.waiting": "a run waits for somebody",
    "schedule.missed": "a schedule missed a fire"
  },
  enabled: "on",
  disabled: "off",
  turnOn: "Turn on",
  turnOff: "Turn off",
  test: "Send a test",
  tested: "A test message is on its way.",
  deliveries: "Messages",
  noDeliveries: "No message was sent yet.",
  event: "Event",
  attempts: "Attempts",
  resend: "Send again",
  resent: "It is sent again.",
  statuses: { pending: "pending", delivered: "delivered", failed: "failed", refused: "refused" },
  secret: "Its signing secret",
  secretAbout: "Whoever receives the webhook checks it with this secret. It is shown this once.",
  testEvent: "test"
}
