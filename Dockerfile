# The page on the CPU: docker build -t fer-lens . && docker run --rm -p 7860:7860 fer-lens
FROM python:3.11-slim

# The page runs as a user who may write only in the home folder, with the number that Spaces give theirs.
RUN useradd --create-home --uid 1000 visitor
WORKDIR /home/visitor/fer-lens

# Packages first: they change less often than the code, so most builds take them from the cache.
COPY pre-requirements.txt requirements.txt ./
RUN pip install --no-cache-dir -r pre-requirements.txt && pip install --no-cache-dir -r requirements.txt

COPY app.py ./
COPY demo demo
COPY fer_models fer_models
COPY weights weights

USER 1000
ENV GRADIO_SERVER_NAME=0.0.0.0
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860', timeout=5)"]
CMD ["python", "app.py"]
