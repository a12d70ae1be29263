# nomad job run -var image=registry.example.com/hogsend:0.1.0 deploy/nomad/hogsend.nomad.hcl
# Secrets come from the Nomad variable nomad/jobs/hogsend; docs/deploy/nomad.md makes it.

variable "image" {
  type        = string
  description = "Image with this release."
}

variable "public_url" {
  type    = string
  default = "https://hogsend.example.com"
}

variable "api_count" {
  type    = number
  default = 2
}

variable "worker_count" {
  type    = number
  default = 2
}

job "hogsend" {
  type = "service"

  group "api" {
    count = var.api_count

    network {
      port "http" {
        to = 3002
      }
    }

    update {
      max_parallel     = 1
      health_check     = "checks"
      min_healthy_time = "5s"
      auto_revert      = true
    }

    service {
      name     = "hogsend-api"
      provider = "nomad"
      port     = "http"

      check {
        type     = "http"
        path     = "/v1/health/ready"
        interval = "5s"
        timeout  = "3s"
      }
    }

    # Runs to its end before the api starts. Several at once take turns on a lock; all but the
    # first find nothing to do.
    task "migrate" {
      driver = "docker"

      lifecycle {
        hook    = "prestart"
        sidecar = false
      }

      config {
        image           = var.image
        args            = ["migrate"]
        readonly_rootfs = true
        cap_drop        = ["all"]
      }

      template {
        destination = "secrets/hogsend.env"
        env         = true
        data        = <<-EOT
          {{- with nomadVar "nomad/jobs/hogsend" }}
          {{- range $name, $value := . }}
          {{ $name }}={{ $value }}
          {{- end }}
          {{- end }}
        EOT
      }

      resources {
        cpu    = 100
        memory = 128
      }
    }

    task "api" {
      driver         = "docker"
      kill_timeout   = "35s"
      shutdown_delay = "8s"

      config {
        image           = var.image
        args            = ["api"]
        ports           = ["http"]
        init            = true
        readonly_rootfs = true
        cap_drop        = ["all"]
      }

      env {
        NODE_ENV        = "production"
        API_PUBLIC_URL  = var.public_url
        BETTER_AUTH_URL = var.public_url
      }

      template {
        destination = "secrets/hogsend.env"
        env         = true
        data        = <<-EOT
          {{- with nomadVar "nomad/jobs/hogsend" }}
          {{- range $name, $value := . }}
          {{ $name }}={{ $value }}
          {{- end }}
          {{- end }}
        EOT
      }

      resources {
        cpu    = 250
        memory = 256
      }
    }
  }

  group "worker" {
    count = var.worker_count

    update {
      max_parallel = 1
      health_check = "task_states"
      auto_revert  = true
    }

    restart {
      attempts = 10
      interval = "10m"
      delay    = "5s"
      mode     = "delay"
    }

    task "worker" {
      driver       = "docker"
      kill_timeout = "35s"

      config {
        image           = var.image
        args            = ["worker"]
        init            = true
        readonly_rootfs = true
        cap_drop        = ["all"]
      }

      env {
        NODE_ENV       = "production"
        API_PUBLIC_URL = var.public_url
      }

      template {
        destination = "secrets/hogsend.env"
        env         = true
        data        = <<-EOT
          {{- with nomadVar "nomad/jobs/hogsend" }}
          {{- range $name, $value := . }}
          {{ $name }}={{ $value }}
          {{- end }}
          {{- end }}
        EOT
      }

      resources {
        cpu    = 250
        memory = 512
      }
    }
  }
}
