"""Re-rankers side by side: trained on the same pages, judged by the same judges and clicks."""
