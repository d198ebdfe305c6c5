# Notificaciones, métricas y salud.
