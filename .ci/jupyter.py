"""Settings of JupyterLab for `make lab`."""

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager


class FromTheTop(AsyncMappingKernelManager):
    """Start each kernel in the checkout, where commands start, and not beside its notebook."""

    def cwd_for_path(self, path, **keywords):
        """Return the directory that JupyterLab was started in: results go to its build/."""
        return str(self.root_dir)


c.ServerApp.kernel_manager_class = FromTheTop  # noqa: F821 - Jupyter gives `c` to this file
