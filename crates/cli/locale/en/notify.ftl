# Notifications, metrics and health.
